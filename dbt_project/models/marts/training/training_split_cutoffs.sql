-- From which moment on a rating is held out: 80% of all ratings come before validation, 90% before test.
with

quantiles as (
    select quantile_disc(rated_at, [0.8, 0.9]) as moments from {{ ref('fct_ratings') }}
)

select
    unnest(['validation', 'test']) as split_name,
    unnest(moments) as starts_at
from quantiles
