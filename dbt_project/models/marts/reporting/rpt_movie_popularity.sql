select
    row_number() over (order by count(*) desc, movie_id) as popularity_rank,
    movie_id,
    count(*) as count_ratings
from {{ ref('fct_ratings') }}
group by movie_id
