select
    company_id,
    arg_min(company_name, movie_id) as company_name,
    count(*) as count_movies
from {{ ref('int_movie_companies') }}
group by company_id
