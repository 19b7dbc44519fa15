-- Production countries of each film, once.
select
    movie_id,
    nullif(item ->> '$.iso_3166_1', '') as country_id,
    coalesce(item ->> '$.name', item ->> '$.iso_3166_1') as country_name
from (
    select
        movie_id,
        unnest(from_json(document -> '$.production_countries', '["JSON"]')) as item
    from {{ ref('int_tmdb_movies') }}
)
where nullif(item ->> '$.iso_3166_1', '') is not null
qualify row_number() over (partition by movie_id, nullif(item ->> '$.iso_3166_1', '') order by coalesce(item ->> '$.name', item ->> '$.iso_3166_1')) = 1
