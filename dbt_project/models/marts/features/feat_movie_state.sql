with

running as (
    select
        movie_id,
        rated_at,
        sum(n) over so_far as n,
        sum(half_stars) over so_far as half_stars,
        sum(half_stars_squared) over so_far as half_stars_squared,
        sum(n) over (
            partition by movie_id order by rated_at range between interval 90 days preceding and current row
        ) as n_90d
    from {{ ref('int_movie_moments') }}
    window so_far as (partition by movie_id order by rated_at rows between unbounded preceding and current row)
),

-- before its first rating a film has a state too: nobody rated it, and its people have a record
states as (
    select
        movie_id,
        known_at::date as day,
        known_at as event_timestamp,
        0 as n,
        null as half_stars,
        null as half_stars_squared,
        0 as n_90d
    from {{ ref('dim_movies') }}

    union all

    select
        movie_id,
        rated_at::date as day,
        {{ known_after('rated_at') }} as event_timestamp,
        n,
        half_stars,
        half_stars_squared,
        n_90d
    from running
)

select
    states.movie_id,
    states.event_timestamp,
    n::bigint as movie_count_ratings,
    {{ mean_rating('half_stars', 'n') }}::float as movie_mean_rating,
    {{ std_rating('half_stars', 'half_stars_squared', 'n') }}::float as movie_std_rating,
    n_90d::bigint as movie_count_ratings_90d,
    influence.director_influence::float as movie_director_influence,
    influence.cast_influence::float as movie_cast_influence
from states
left join {{ ref('int_movie_influence') }} as influence using (movie_id, day)
