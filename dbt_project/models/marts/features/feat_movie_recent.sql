with

totals as (
    select
        ratings.movie_id,
        max(ratings.rated_at) as last_rated_at,
        max({{ known_at('ratings') }}) as last_known_at,
        sum(ratings.half_stars) as half_stars,
        sum(ratings.half_stars * ratings.half_stars) as half_stars_squared
    from {{ ref('fct_ratings') }} as ratings
    group by ratings.movie_id
),

recent as (
    select
        ratings.movie_id,
        list_sort(list(epoch_us(ratings.rated_at) // 1000000)) as timestamps
    from {{ ref('fct_ratings') }} as ratings
    inner join totals
        on ratings.movie_id = totals.movie_id and ratings.rated_at >= totals.last_rated_at - interval 90 days
    group by ratings.movie_id
)

select
    totals.movie_id,
    {{ known_after('totals.last_rated_at') }} as event_timestamp,
    {{ known_after('totals.last_known_at') }} as created_at,
    totals.half_stars::bigint as movie_sum_half_stars,
    totals.half_stars_squared::bigint as movie_sum_half_stars_squared,
    recent.timestamps as movie_recent_timestamps
from totals
inner join recent using (movie_id)
