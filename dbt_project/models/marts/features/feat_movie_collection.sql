select
    movie_id,
    known_at as event_timestamp,
    collection_id as movie_collection_id
from {{ ref('dim_movies') }}
