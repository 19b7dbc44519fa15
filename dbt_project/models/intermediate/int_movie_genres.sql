-- Genres of each film from MovieLens and TMDb under one set of names (seeds/genres.csv, seeds/genre_aliases.csv).
with

named as (
    select
        movie_id,
        unnest(genre_names) as source_name
    from {{ ref('int_movies_checked') }}
    where reason is null

    union

    select
        movie_id,
        unnest(from_json(document -> '$.genres', '["JSON"]')) ->> '$.name' as source_name
    from {{ ref('int_tmdb_movies') }}
)

select distinct
    named.movie_id,
    genres.genre_index,
    genres.genre_name
from named
left join {{ ref('genre_aliases') }} as aliases on named.source_name = aliases.source_name
inner join {{ ref('genres') }} as genres on genres.genre_name = coalesce(aliases.genre_name, named.source_name)
