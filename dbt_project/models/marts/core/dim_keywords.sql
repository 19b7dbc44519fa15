select
    keyword_id,
    arg_min(keyword_name, movie_id) as keyword_name,
    count(*) as count_movies
from {{ ref('int_movie_keywords') }}
group by keyword_id
