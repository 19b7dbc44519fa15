-- A user's states as they were known: from the first rating on that was landed after it was given, one for each moment
-- at which something arrived. The offline store puts them in the place of the states from there on, where it is asked
-- for what was known.
{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='user_id', on_schema_change='fail'
) }}

with

starts as (
    {{ late_starts('user_id', ref('int_user_recompute_from')) }}
),

known as (
    select
        ratings.*,
        starts.late_from,
        {{ known_at('ratings') }} as known_at
    from {{ ref('fct_ratings') }} as ratings
    inner join starts using (user_id)
),

arrivals as (
    select
        *,
        row_number() over (partition by user_id, rated_on order by known_at, rated_at, rating_id) = 1 as is_new_day,
        row_number() over (partition by user_id, rated_at order by known_at, rating_id) = 1 as is_new_moment,
        lead(known_at) over (partition by user_id order by known_at, rated_at, rating_id) as next_known_at
    from known
),

running as (
    select
        user_id,
        known_at,
        next_known_at,
        late_from,
        max(rated_at) over so_far as rated_at,
        arg_max(rating, (rated_at, rating_id)) over so_far as rating,
        max(case when is_new_moment then rated_at end, 2) over so_far as last_moments,
        {{ user_sums('is_new_day') }}
    from arrivals
    left join {{ ref('int_movie_genre_packs') }} using (movie_id)
    window so_far as (
        partition by user_id order by known_at, rated_at, rating_id rows between unbounded preceding and current row
    )
),

-- the last rating of each moment has all that arrived then
states as (
    select
        user_id,
        {{ known_after('rated_at') }} as event_timestamp,
        {{ known_after('known_at') }} as created_at,
        late_from,
        rating,
        last_moments[1] - last_moments[2] as since_previous,
        {{ user_totals(plus_nothing) }}
    from running
    where next_known_at is distinct from known_at and known_at >= late_from
)

select
    user_id,
    event_timestamp,
    created_at,
    late_from,
    {{ user_state_columns() }}
from states
