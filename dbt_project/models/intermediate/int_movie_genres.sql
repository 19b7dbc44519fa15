-- Genres of each film from all sources under one set of names (seeds/genres.csv, seeds/genre_aliases.csv).
select distinct
    movie_id,
    genre_index,
    genre_name
from {{ ref('int_movie_genre_names') }}
where genre_index is not null
