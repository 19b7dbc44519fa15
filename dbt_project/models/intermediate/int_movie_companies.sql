-- Production companies of each film, once.
select
    movie_id,
    try_cast(item ->> '$.id' as bigint) as company_id,
    item ->> '$.name' as company_name
from (
    select
        movie_id,
        unnest(from_json(document -> '$.production_companies', '["JSON"]')) as item
    from {{ ref('int_tmdb_movies') }}
)
where try_cast(item ->> '$.id' as bigint) is not null
qualify row_number() over (partition by movie_id, try_cast(item ->> '$.id' as bigint) order by item ->> '$.name') = 1
