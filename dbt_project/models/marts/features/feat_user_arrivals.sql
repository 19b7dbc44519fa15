-- When each rating of feat_user_history could be known, in the same order, of users with one that was landed after it
-- was given.
{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='user_id', on_schema_change='fail'
) }}

select
    ratings.user_id,
    list({{ known_at('ratings') }} order by ratings.rated_at, ratings.rating_id) as known_at
from {{ ref('fct_ratings') }} as ratings
inner join {{ ref('int_user_recompute_from') }} as recompute using (user_id)
group by ratings.user_id
having bool_or(ratings.landed_at > ratings.rated_at)
