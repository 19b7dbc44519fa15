select
    movies.movie_id,
    movies.known_at as event_timestamp,
    texts.embedding as movie_text_embedding
from {{ ref('dim_movies') }} as movies
inner join {{ ref('stg_embeddings__movie_text') }} as texts using (movie_id)
