select
    running.user_id,
    {{ known_after('running.rated_at') }} as event_timestamp,
    users.user_index,
    users.age as user_age,
    users.gender as user_gender,
    users.occupation as user_occupation,
    running.count_active_days::bigint as user_days_active,
    (running.n / running.count_active_days)::float as user_ratings_per_active_day,
    -- how much of what the user rated is of each genre
    [
        {%- for genre in range(count_genres() | int) %}
        (n_{{ genre }} / n)::float{{ ',' if not loop.last }}
        {%- endfor %}
    ] as user_genre_share,
    -- how far each genre lies above the user's mean, drawn towards 0 as if five ratings at the mean came first
    [
        {%- for genre in range(count_genres() | int) %}
        ((half_stars_{{ genre }} / 2.0 - n_{{ genre }} * {{ mean_rating('half_stars', 'n') }}) / (n_{{ genre }} + 5.0))::float{{ ',' if not loop.last }}
        {%- endfor %}
    ] as user_genre_affinity
from {{ ref('int_user_running') }} as running
inner join {{ ref('dim_users') }} as users using (user_id)
