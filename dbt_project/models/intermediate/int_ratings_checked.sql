-- Repetitions are found where the accepted ratings are gathered, in fct_ratings.
{{ config(materialized='view') }}

with

movies as (
    select movie_id from {{ ref('int_movies') }}
),

landed as (
    select
        rating_id,
        user_id,
        movie_id,
        rating,
        half_stars,
        rated_at,
        null::timestamp as landed_at,
        raw,
        malformed_line
    from {{ ref('stg_movielens__ratings') }}

    union all

    select
        rating_id,
        user_id,
        movie_id,
        rating,
        try_cast(rating::double * 2 as integer) as half_stars,
        rated_at,
        landed_at,
        coalesce(given, concat_ws(' | ', user_id, movie_id, rating, rated_at)) as raw,
        null as malformed_line
    from {{ ref('int_event_ratings') }}
)

select
    landed.* exclude (malformed_line),
    coalesce(
        {{ reject_reason([]) }},
        {{ rating_problem(
            'landed.user_id', 'landed.movie_id', 'landed.rating', 'landed.rated_at', arrived_at('landed.landed_at')
        ) }},
        {{ reject_reason([('movie id is not in the movies file', 'movies.movie_id is null')]) }}
    ) as reason
from landed
left join movies using (movie_id)
