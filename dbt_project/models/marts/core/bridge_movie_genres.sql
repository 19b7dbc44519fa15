select
    movie_id,
    genre_index::bigint as genre_index
from {{ ref('int_movie_genres') }}
