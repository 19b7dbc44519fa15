{{ config(
    materialized='incremental', incremental_strategy='append', on_schema_change='fail',
    pre_hook=[
        "{{ delete_to_recompute(ref('int_movie_recompute_from'), 'movie_id') }}",
        "{% if is_incremental() %}delete from {{ this }} where movie_count_ratings = 0{% endif %}"
    ]
) }}

with

-- where each film's rows start, and what was counted before them
starts as (
    select
        recompute.movie_id,
        recompute.recompute_from,
        {%- if is_incremental() %}
        coalesce(max(states.movie_count_ratings), 0) as n,
        coalesce(max(states.movie_sum_half_stars), 0) as half_stars,
        coalesce(max(states.movie_sum_half_stars_squared), 0) as half_stars_squared
        {%- else %}
        0 as n,
        0 as half_stars,
        0 as half_stars_squared
        {%- endif %}
    from {{ ref('int_movie_recompute_from') }} as recompute
    {%- if is_incremental() %}
    left join {{ this }} as states on recompute.movie_id = states.movie_id
    {%- endif %}
    group by recompute.movie_id, recompute.recompute_from
),

-- what happened to a film in one second; the 90 days before its first new row are counted again, not written again
moments as (
    select
        ratings.movie_id,
        ratings.rated_at,
        ratings.rated_at >= any_value(starts.recompute_from) as is_new,
        count(*)::integer as n,
        {{ moment_weight(
            'count(*)', 'sum(ratings.half_stars)', 'sum(ratings.half_stars * ratings.half_stars)'
        ) }} as totals
    from {{ ref('fct_ratings') }} as ratings
    inner join starts
        on ratings.movie_id = starts.movie_id and ratings.rated_at >= starts.recompute_from - interval 90 days
    group by ratings.movie_id, ratings.rated_at
),

running as (
    select
        movie_id,
        rated_at,
        is_new,
        sum(case when is_new then totals else 0 end) over (
            partition by movie_id order by rated_at rows between unbounded preceding and current row
        ) as totals,
        sum(n) over (
            partition by movie_id order by rated_at range between interval 90 days preceding and current row
        ) as n_90d
    from moments
),

-- before its first rating a film has a state too: nobody rated it
states as (
    select
        movie_id,
        known_at as event_timestamp,
        0 as n,
        0 as half_stars,
        0 as half_stars_squared,
        0 as n_90d
    from {{ ref('dim_movies') }}

    union all

    select
        running.movie_id,
        {{ known_after('running.rated_at') }} as event_timestamp,
        starts.n + {{ moment_count('running.totals') }} as n,
        starts.half_stars + {{ moment_half_stars('running.totals') }} as half_stars,
        starts.half_stars_squared + {{ moment_squares('running.totals') }} as half_stars_squared,
        running.n_90d
    from running
    inner join starts using (movie_id)
    where running.is_new
)

select
    movie_id,
    event_timestamp,
    {{ movie_state_columns() }}
from states
