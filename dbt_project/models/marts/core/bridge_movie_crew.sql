select
    movie_id,
    person_id,
    job,
    department
from {{ ref('int_movie_credits') }}
where job <> 'Actor'
