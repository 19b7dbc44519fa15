-- From which moment on a user's rows are to be built: all of them, or in an append those from the first new rating on.
{{ config(materialized='table') }}

select
    user_id,
    min(rated_at) as recompute_from
from {{ ref('fct_ratings') }}
where {{ is_new_rating() }}
group by user_id
