-- What a user did in one second, in integers: ratings, half stars, and both by genre (a bit a genre in genre_mask).
with

masks as (
    select
        movie_id,
        bit_or(1::bigint << genre_index::integer) as genre_mask
    from {{ ref('int_movie_genres') }}
    group by movie_id
),

ratings as (
    select
        ratings.*,
        coalesce(masks.genre_mask, 0) as genre_mask
    from {{ ref('fct_ratings') }} as ratings
    left join masks using (movie_id)
)

select
    user_id,
    rated_at,
    count(*)::bigint as n,
    sum(half_stars)::bigint as half_stars,
    sum(half_stars * half_stars)::bigint as half_stars_squared,
    arg_max(rating, rating_id) as last_rating
    {%- for genre in range(count_genres() | int) %},
    sum((genre_mask >> {{ genre }}) & 1)::bigint as n_{{ genre }},
    sum(((genre_mask >> {{ genre }}) & 1) * half_stars)::bigint as half_stars_{{ genre }}
    {%- endfor %}
from ratings
group by user_id, rated_at
