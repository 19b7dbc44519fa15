-- What MovieLens, TMDb and later changes call the genres of each film; genre_index is null for a name that is not
-- known. A change that names genres names all of them. Upper and lower case are the same, as in dbt_project/genres.py,
-- which reads the same seeds for whoever asks before a build.
with

named as (
    select
        movie_id,
        unnest(genre_names) as source_name
    from {{ ref('int_movies') }}

    union

    select
        tmdb.movie_id,
        unnest(from_json(tmdb.document -> '$.genres', '["JSON"]')) ->> '$.name' as source_name
    from {{ ref('int_tmdb_movies') }} as tmdb
    inner join {{ ref('int_movies') }} as movies using (movie_id)
    where not movies.has_changed_genres
),

known as (
    select
        genre_name as source_name,
        genre_name
    from {{ ref('genres') }}

    union all

    select
        source_name,
        genre_name
    from {{ ref('genre_aliases') }}
)

select
    named.movie_id,
    named.source_name,
    genres.genre_index,
    genres.genre_name,
    known.source_name is not null as is_known
from named
left join known on lower(trim(named.source_name)) = lower(known.source_name)
left join {{ ref('genres') }} as genres on known.genre_name = genres.genre_name
where trim(named.source_name) <> ''
