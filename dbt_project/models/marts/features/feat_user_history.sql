-- The offline store slices "the last N before t" out of these arrays: feat_user_sequence_position tells where t is.
select
    user_id,
    list(movie_id order by rated_at, rating_id) as movie_ids,
    list(rating order by rated_at, rating_id) as ratings,
    list(epoch(rated_at)::bigint order by rated_at, rating_id) as timestamps
from {{ ref('fct_ratings') }}
group by user_id
