{{ config(materialized='table') }}

with

pushed as (
    select coalesce(min(rating_id), {{ 2 ** 63 - 1 }}) as first_rating_id from {{ ref('int_event_ratings') }}
),

activity as (
    select
        user_id,
        min(rated_at) as first_rated_at,
        min({{ known_at('ratings') }}) as first_known_at,
        min(rated_at) filter (where rating_id < pushed.first_rating_id) as first_archived_at,
        min(rating_id) filter (where rating_id >= pushed.first_rating_id) as first_pushed_id
    from {{ ref('fct_ratings') }} as ratings
    cross join pushed
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
        activity.first_rated_at,
        activity.first_known_at,
        activity.first_archived_at,
        activity.first_pushed_id
    from activity
    full join users on activity.user_id = users.user_id
)

select
    user_id,
    -- in order of arrival: neither a user who comes later nor a rating that comes late renumbers the others
    row_number() over (
        order by
            first_archived_at nulls last,
            case when first_archived_at is null then first_pushed_id end nulls last,
            user_id
    ) - 1 as user_index,
    gender,
    occupation,
    age,
    first_rated_at,
    first_known_at
from everyone
