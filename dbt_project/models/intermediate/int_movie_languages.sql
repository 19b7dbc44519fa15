-- Spoken languages of each film, once.
select
    movie_id,
    nullif(item ->> '$.iso_639_1', '') as language_id,
    coalesce(nullif(item ->> '$.name', ''), item ->> '$.iso_639_1') as language_name
from (
    select
        movie_id,
        unnest(from_json(document -> '$.spoken_languages', '["JSON"]')) as item
    from {{ ref('int_tmdb_movies') }}
)
where nullif(item ->> '$.iso_639_1', '') is not null
qualify row_number() over (partition by movie_id, nullif(item ->> '$.iso_639_1', '') order by coalesce(nullif(item ->> '$.name', ''), item ->> '$.iso_639_1')) = 1
