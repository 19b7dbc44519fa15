-- The offline store slices "the last N before t" out of these arrays: user_count_ratings in feat_user_state tells where
-- t is.
{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='user_id', on_schema_change='fail'
) }}

select
    user_id,
    list_transform(events, lambda event: event.movie_id) as movie_ids,
    list_transform(events, lambda event: event.rating) as ratings,
    list_transform(events, lambda event: event.second) as timestamps
from (
    -- one sort a user, by second and then by rating_id
    select
        ratings.user_id,
        list_sort(list({
            'second': epoch_us(ratings.rated_at) // 1000000,
            'rating_id': ratings.rating_id,
            'movie_id': ratings.movie_id,
            'rating': ratings.rating
        })) as events
    from {{ ref('fct_ratings') }} as ratings
    inner join {{ ref('int_user_recompute_from') }} as recompute using (user_id)
    group by ratings.user_id
)
