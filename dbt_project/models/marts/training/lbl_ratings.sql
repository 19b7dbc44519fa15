with

cutoffs as (
    select
        max(starts_at) filter (split_name = 'validation') as validation_at,
        max(starts_at) filter (split_name = 'test') as test_at
    from {{ ref('lbl_split_cutoffs') }}
),

placed as (
    select
        *,
        row_number() over (partition by user_id order by rated_at desc, rating_id desc) as place_from_last,
        count(*) over (partition by user_id) as count_ratings
    from {{ ref('fct_ratings') }}
)

select
    rating_id,
    user_id,
    movie_id,
    rated_at as event_timestamp,
    rating,
    case
        when rated_at >= test_at then 'test'
        when rated_at >= validation_at then 'validation'
        else 'train'
    end as split_time,
    case
        when count_ratings < 3 then 'train'
        when place_from_last = 1 then 'test'
        when place_from_last = 2 then 'validation'
        else 'train'
    end as split_loo
from placed, cutoffs
