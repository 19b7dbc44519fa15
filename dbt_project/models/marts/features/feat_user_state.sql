select
    user_id,
    {{ known_after('rated_at') }} as event_timestamp,
    n::bigint as user_count_ratings,
    {{ mean_rating('half_stars', 'n') }}::float as user_mean_rating,
    {{ std_rating('half_stars', 'half_stars_squared', 'n') }}::float as user_std_rating,
    last_rating as user_last_rating,
    epoch(since_previous) as user_seconds_since_previous
from {{ ref('int_user_running') }}
