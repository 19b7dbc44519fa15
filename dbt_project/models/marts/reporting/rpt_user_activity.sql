select
    count_ratings,
    count(*) as count_users
from (
    select
        user_id,
        count(*) as count_ratings
    from {{ ref('fct_ratings') }}
    group by user_id
)
group by count_ratings
