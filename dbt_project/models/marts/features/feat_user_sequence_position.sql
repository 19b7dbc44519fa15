select
    user_id,
    {{ known_after('rated_at') }} as event_timestamp,
    n::bigint as position
from {{ ref('int_user_running') }}
