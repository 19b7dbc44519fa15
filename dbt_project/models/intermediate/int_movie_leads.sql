-- The people whose record is counted for a film: its directors, and its first five actors.
select
    movie_id,
    person_id,
    'director' as role
from {{ ref('int_movie_credits') }}
where job = 'Director'

union all

select
    movie_id,
    person_id,
    'cast' as role
from {{ ref('int_movie_credits') }}
where job = 'Actor'
qualify row_number() over (partition by movie_id order by credit_order, person_id) <= 5
