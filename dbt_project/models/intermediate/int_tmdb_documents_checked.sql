select
    *,
    {{ reject_reason([
        ('document is not valid JSON', 'not is_json'),
        ('document has no TMDb id', 'tmdb_id is null'),
        ('answer is not the document of the film', "coalesce(status not in ('document', 'tombstone'), true)"),
    ]) }} as reason
from {{ ref('stg_tmdb__documents') }}
