select
    person_id,
    arg_min(person_name, movie_id) as person_name,
    count(distinct movie_id) as count_movies
from {{ ref('int_movie_credits') }}
group by person_id
