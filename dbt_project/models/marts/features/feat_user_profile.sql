select
    user_id,
    {{ known_after('first_rated_at') }} as event_timestamp,
    {{ known_after('first_known_at') }} as created_at,
    user_index,
    age as user_age,
    gender as user_gender,
    occupation as user_occupation
from {{ ref('dim_users') }}
where first_rated_at is not null
