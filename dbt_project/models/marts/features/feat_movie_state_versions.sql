-- A film's states as they were known: from the first rating on that was landed after it was given, one for each moment
-- at which something arrived. See feat_user_state_versions.
{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='movie_id', on_schema_change='fail'
) }}

with

starts as (
    {{ late_starts('movie_id', ref('int_movie_recompute_from')) }}
),

arrivals as (
    select
        ratings.movie_id,
        ratings.rated_at,
        ratings.half_stars,
        starts.late_from,
        {{ known_at('ratings') }} as known_at
    from {{ ref('fct_ratings') }} as ratings
    inner join starts using (movie_id)
),

moments as (
    select
        movie_id,
        known_at,
        late_from,
        max(rated_at) as last_rated_at,
        {{ moment_weight('count(*)', 'sum(half_stars)', 'sum(half_stars * half_stars)') }} as totals
    from arrivals
    group by movie_id, known_at, late_from
),

running as (
    select
        movie_id,
        known_at,
        late_from,
        max(last_rated_at) over so_far as last_rated_at,
        max(last_rated_at) over before_it as last_rated_before,
        sum(totals) over so_far as totals
    from moments
    window
        so_far as (partition by movie_id order by known_at rows between unbounded preceding and current row),
        before_it as (partition by movie_id order by known_at rows between unbounded preceding and 1 preceding)
),

-- ratings that came behind a later one: the only ones that an earlier version can lack
overtaken as (
    select
        arrivals.movie_id,
        arrivals.known_at,
        arrivals.rated_at
    from arrivals
    inner join running using (movie_id, known_at)
    where arrivals.rated_at <= running.last_rated_before
),

lacking as (
    select
        running.movie_id,
        running.known_at,
        count(*) as n_90d
    from running
    inner join overtaken
        on
            running.movie_id = overtaken.movie_id
            and running.known_at < overtaken.known_at
            and overtaken.rated_at between running.last_rated_at - interval 90 days and running.last_rated_at
    where running.known_at >= running.late_from
    group by running.movie_id, running.known_at
),

states as (
    select
        running.movie_id,
        states.event_timestamp,
        {{ known_after('running.known_at') }} as created_at,
        running.late_from,
        {{ moment_count('running.totals') }} as n,
        {{ moment_half_stars('running.totals') }} as half_stars,
        {{ moment_squares('running.totals') }} as half_stars_squared,
        states.movie_count_ratings_90d - coalesce(lacking.n_90d, 0) as n_90d
    from running
    inner join {{ ref('feat_movie_state') }} as states
        on running.movie_id = states.movie_id and {{ known_after('running.last_rated_at') }} = states.event_timestamp
    left join lacking on running.movie_id = lacking.movie_id and running.known_at = lacking.known_at
    where running.known_at >= running.late_from
)

select
    movie_id,
    event_timestamp,
    created_at,
    late_from,
    {{ movie_state_columns() }}
from states
