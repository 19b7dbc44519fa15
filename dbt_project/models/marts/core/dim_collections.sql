select
    collection_id,
    arg_min(collection_name, movie_id) as collection_name,
    count(*) as count_movies
from {{ ref('int_tmdb_movies') }}
where collection_id is not null
group by collection_id
