{{ config(materialized='table') }}

with

activity as (
    select
        user_id,
        min(rated_at) as first_rated_at
    from {{ ref('fct_ratings') }}
    group by user_id
),

users as (
    select * from {{ ref('int_users_checked') }} where reason is null
),

everyone as (
    select
        coalesce(activity.user_id, users.user_id) as user_id,
        users.age,
        users.gender,
        users.occupation,
        activity.first_rated_at
    from activity
    full join users on activity.user_id = users.user_id
)

select
    user_id,
    -- in order of arrival: a user who comes later does not renumber the others
    row_number() over (order by first_rated_at nulls last, user_id) - 1 as user_index,
    gender,
    occupation,
    age,
    first_rated_at
from everyone
