select
    source_name as genre_name,
    count(*) as count_movies
from {{ ref('int_movie_genre_names') }}
where not is_known
group by source_name
