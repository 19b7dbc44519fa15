select
    language_id,
    arg_min(language_name, movie_id) as language_name,
    count(*) as count_movies
from {{ ref('int_movie_languages') }}
group by language_id
