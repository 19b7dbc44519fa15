-- From which moment on a rating is held out: 80% of all ratings come before validation, 90% before test.
select
    'validation' as split_name,
    quantile_disc(rated_at, 0.8) as starts_at
from {{ ref('fct_ratings') }}

union all

select
    'test' as split_name,
    quantile_disc(rated_at, 0.9) as starts_at
from {{ ref('fct_ratings') }}
