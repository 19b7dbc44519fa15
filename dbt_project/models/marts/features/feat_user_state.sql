{{ config(
    materialized='incremental', incremental_strategy='append', on_schema_change='fail',
    pre_hook="{{ delete_to_recompute(ref('int_user_recompute_from'), 'user_id') }}"
) }}

with

-- where each user's rows start, and the last row that stays in front of them
starts as (
    select
        recompute.user_id,
        recompute.recompute_from,
        {%- if is_incremental() %}
        max(states.event_timestamp) as base_timestamp
        {%- else %}
        null::timestamp as base_timestamp
        {%- endif %}
    from {{ ref('int_user_recompute_from') }} as recompute
    {%- if is_incremental() %}
    left join {{ this }} as states on recompute.user_id = states.user_id
    {%- endif %}
    group by recompute.user_id, recompute.recompute_from
),

ratings as (
    select
        ratings.*,
        starts.base_timestamp,
        coalesce(
            lag(ratings.rated_at) over by_time, starts.base_timestamp - interval 1 microsecond
        ) as previous_at,
        lead(ratings.rated_at) over by_time as next_at
    from {{ ref('fct_ratings') }} as ratings
    inner join starts on ratings.user_id = starts.user_id and ratings.rated_at >= starts.recompute_from
    window by_time as (partition by ratings.user_id order by ratings.rated_at, ratings.rating_id)
),

running as (
    select
        user_id,
        rated_at,
        next_at,
        base_timestamp,
        rating,
        last_value(case when previous_at < rated_at then rated_at - previous_at end ignore nulls) over so_far
            as since_previous,
        {{ user_sums('previous_at is null or previous_at::date < rated_at::date') }}
    from ratings
    left join {{ ref('int_movie_genre_packs') }} using (movie_id)
    window so_far as (
        partition by user_id order by rated_at, rating_id rows between unbounded preceding and current row
    )
),

-- the last rating of each second has all of it
states as (
    select
        running.user_id,
        {{ known_after('running.rated_at') }} as event_timestamp,
        running.rating,
        running.since_previous,
        {{ user_totals(plus_base) }}
    from running
    {%- if is_incremental() %}
    left join {{ this }} as base
        on running.user_id = base.user_id and running.base_timestamp = base.event_timestamp
    {%- endif %}
    where running.next_at is distinct from running.rated_at
)

select
    user_id,
    event_timestamp,
    {{ user_state_columns() }}
from states
