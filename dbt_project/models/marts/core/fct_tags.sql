select
    tag_id,
    user_id,
    movie_id,
    tag,
    tagged_at,
    tagged_at::date as tagged_on
from {{ ref('int_tags_checked') }}
where reason is null
