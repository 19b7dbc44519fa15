select
    *,
    {{ reject_reason([
        ('document is not valid JSON', 'not is_json'),
        ('document has no TMDb id', 'tmdb_id is null'),
    ]) }} as reason
from {{ ref('stg_tmdb__documents') }}
