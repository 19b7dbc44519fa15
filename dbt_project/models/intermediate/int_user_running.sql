-- A user's totals after each second in which they rated, that second included.
select
    user_id,
    rated_at,
    last_rating,
    rated_at - lag(rated_at) over by_time as since_previous,
    sum(n) over so_far as n,
    sum(half_stars) over so_far as half_stars,
    sum(half_stars_squared) over so_far as half_stars_squared,
    sum(is_first_of_day) over so_far as count_active_days
    {%- for genre in range(count_genres() | int) %},
    sum(n_{{ genre }}) over so_far as n_{{ genre }},
    sum(half_stars_{{ genre }}) over so_far as half_stars_{{ genre }}
    {%- endfor %}
from (
    select
        *,
        (row_number() over (partition by user_id, rated_at::date order by rated_at) = 1)::integer as is_first_of_day
    from {{ ref('int_user_moments') }}
)
window
    by_time as (partition by user_id order by rated_at),
    so_far as (partition by user_id order by rated_at rows between unbounded preceding and current row)
