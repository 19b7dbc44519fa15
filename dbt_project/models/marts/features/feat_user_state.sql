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
        row_number() over so_far as n,
        sum({{ totals_weight('half_stars', 'previous_at is null or previous_at::date < rated_at::date') }}) over so_far
            as totals,
        last_value(case when previous_at < rated_at then rated_at - previous_at end ignore nulls) over so_far
            as since_previous
        {%- for pack in range(count_packs() | int) %},
        sum(coalesce(pack_{{ pack }}, 0) * {{ pack_weight('half_stars') }}) over so_far as pack_{{ pack }}
        {%- endfor %}
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
        running.n{{ plus_base('user_count_ratings') }} as n,
        {{ total_half_stars('totals') }}{{ plus_base('user_sum_half_stars') }} as half_stars,
        {{ total_squares('totals') }}{{ plus_base('user_sum_half_stars_squared') }} as half_stars_squared,
        {{ total_days('totals') }}{{ plus_base('user_days_active') }} as days,
        [
            {%- for genre in range(count_genres() | int) %}
            {{ packed_count(genre) }}{{ plus_base('user_genre_counts[' ~ (genre + 1) ~ ']') }}
            {{- ',' if not loop.last }}
            {%- endfor %}
        ]::integer[] as genre_counts,
        [
            {%- for genre in range(count_genres() | int) %}
            {{ packed_half_stars(genre) }}{{ plus_base('user_genre_half_stars[' ~ (genre + 1) ~ ']') }}
            {{- ',' if not loop.last }}
            {%- endfor %}
        ]::integer[] as genre_half_stars
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
    n::bigint as user_count_ratings,
    {{ mean_rating('half_stars', 'n') }}::float as user_mean_rating,
    {{ std_rating('half_stars', 'half_stars_squared', 'n') }}::float as user_std_rating,
    rating as user_last_rating,
    epoch(since_previous) as user_seconds_since_previous,
    days::bigint as user_days_active,
    half_stars::bigint as user_sum_half_stars,
    half_stars_squared::bigint as user_sum_half_stars_squared,
    genre_counts as user_genre_counts,
    genre_half_stars as user_genre_half_stars
from states
