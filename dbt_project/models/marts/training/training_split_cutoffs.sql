-- From which moment on a rating is held out.
with

quantiles as (
    select {{ split_moments('rated_at') }} as moments from {{ ref('fct_ratings') }}
)

select
    unnest(['validation', 'test']) as split_name,
    unnest(moments) as starts_at
from quantiles
