select
    movie_id,
    person_id,
    character_name,
    credit_order
from {{ ref('int_movie_credits') }}
where job = 'Actor'
