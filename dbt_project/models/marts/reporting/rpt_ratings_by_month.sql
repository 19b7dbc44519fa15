select
    date_trunc('month', rated_at)::date as month,
    count(*) as count_ratings,
    count(distinct user_id) as count_users,
    avg(rating::double) as mean_rating
from {{ ref('fct_ratings') }}
group by 1
