{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail') }}

select
    checked.rating_id,
    checked.user_id,
    checked.movie_id,
    checked.rating,
    checked.half_stars,
    checked.rated_at,
    checked.rated_at::date as rated_on,
    checked.landed_at
from {{ ref('int_ratings_checked') }} as checked
{%- if is_incremental() %}
anti join {{ this }} as earlier
    on checked.user_id = earlier.user_id and checked.movie_id = earlier.movie_id and checked.rated_at = earlier.rated_at
{%- endif %}
where checked.reason is null and {{ is_new_rating('checked.rating_id') }}
qualify row_number() over (
    partition by checked.user_id, checked.movie_id, checked.rated_at order by checked.rating_id
) = 1
