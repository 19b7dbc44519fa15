-- The ratings that leave-one-out holds out: a user's last one for the test, the one before it for validation.
{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='user_id') }}

select
    user_id,
    last_two[1].rating_id as test_rating_id,
    last_two[2].rating_id as validation_rating_id
from (
    select
        ratings.user_id,
        max({
            'rated_at': ratings.rated_at,
            'rating_id': ratings.rating_id
        }, 2) as last_two
    from {{ ref('fct_ratings') }} as ratings
    inner join {{ ref('int_user_recompute_from') }} as recompute using (user_id)
    group by ratings.user_id
    having count(*) >= 3
)
