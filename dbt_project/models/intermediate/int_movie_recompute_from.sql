-- From which moment on a film's rows are to be built: all of them, or in an append those from the first new rating on.
{{ config(materialized='table') }}

select
    movie_id,
    min(rated_at) as recompute_from
from {{ ref('fct_ratings') }}
where {{ is_new_rating() }}
group by movie_id
