-- What the next build appends to: it is published with the rest, and the next build starts from the published file.
select
    coalesce(max(rating_id), 0) as last_rating_id,
    getvariable('build_inputs') as inputs
from {{ ref('int_ratings_checked') }}
