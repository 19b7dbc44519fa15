-- Keywords of each film, once.
select
    movie_id,
    try_cast(item ->> '$.id' as bigint) as keyword_id,
    item ->> '$.name' as keyword_name
from (
    select
        movie_id,
        unnest(from_json(document -> '$.keywords.keywords', '["JSON"]')) as item
    from {{ ref('int_tmdb_movies') }}
)
where try_cast(item ->> '$.id' as bigint) is not null
qualify row_number() over (partition by movie_id, try_cast(item ->> '$.id' as bigint) order by item ->> '$.name') = 1
