select
    country_id,
    arg_min(country_name, movie_id) as country_name,
    count(*) as count_movies
from {{ ref('int_movie_countries') }}
group by country_id
