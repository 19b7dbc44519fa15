-- macros/packed_sums.sql has 20 bits for a user's sum of half stars and 22 for a film's ratings: nobody may have more
select
    'user' as entity,
    user_id as id,
    len(movie_ids) as count_ratings
from {{ ref('feat_user_history') }}
where len(movie_ids) * 10 >= 1 << 20

union all

select
    'movie' as entity,
    movie_id as id,
    count_ratings
from {{ ref('rpt_movie_popularity') }}
where count_ratings >= 1 << 22
