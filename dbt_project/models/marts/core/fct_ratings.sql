select
    rating_id,
    user_id,
    movie_id,
    rating,
    half_stars,
    rated_at,
    rated_at::date as rated_on
from {{ ref('int_ratings_checked') }}
where reason is null
