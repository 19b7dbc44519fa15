{{ config(materialized='view') }}

with

cutoffs as (
    select
        max(starts_at) filter (split_name = 'validation') as validation_at,
        max(starts_at) filter (split_name = 'test') as test_at
    from {{ ref('training_split_cutoffs') }}
)

select
    ratings.rating_id,
    ratings.user_id,
    ratings.movie_id,
    ratings.rated_at as event_timestamp,
    ratings.rating,
    case
        when ratings.rated_at >= cutoffs.test_at then 'test'
        when ratings.rated_at >= cutoffs.validation_at then 'validation'
        else 'train'
    end as split_time,
    case
        when ratings.rating_id = holdouts.test_rating_id then 'test'
        when ratings.rating_id = holdouts.validation_rating_id then 'validation'
        else 'train'
    end as split_loo
from {{ ref('fct_ratings') }} as ratings
cross join cutoffs
left join {{ ref('int_user_holdouts') }} as holdouts using (user_id)
