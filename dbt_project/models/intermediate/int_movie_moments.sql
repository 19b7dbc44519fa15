-- What happened to a film in one second, in integers.
select
    movie_id,
    rated_at,
    count(*)::bigint as n,
    sum(half_stars)::bigint as half_stars,
    sum(half_stars * half_stars)::bigint as half_stars_squared
from {{ ref('fct_ratings') }}
group by movie_id, rated_at
