select
    movie_id,
    known_at as event_timestamp,
    poster_path as movie_poster_path
from {{ ref('dim_movies') }}
