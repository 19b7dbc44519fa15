-- Repetitions are found where the accepted ratings are gathered, in fct_ratings.
{{ config(materialized='view') }}

with

movies as (
    select movie_id from {{ ref('int_movies_checked') }} where reason is null
),

landed as (
    select
        rating_id,
        user_id,
        movie_id,
        rating,
        half_stars,
        rated_at,
        raw,
        malformed_line
    from {{ ref('stg_movielens__ratings') }}

    union all

    select
        rating_id,
        user_id,
        movie_id,
        rating,
        (rating::double * 2)::integer as half_stars,
        rated_at,
        concat_ws(' | ', user_id, movie_id, rating, rated_at) as raw,
        null as malformed_line
    from {{ ref('int_event_ratings') }}
)

select
    landed.* exclude (malformed_line),
    {{ reject_reason([
        ('user id is not a whole number', 'landed.user_id is null'),
        ('movie id is not a whole number', 'landed.movie_id is null'),
        ('rating is not a number', 'landed.rating is null or isnan(landed.rating)'),
        ('rating is not between 0.5 and 5', 'landed.rating not between 0.5 and 5'),
        ('rating is not in steps of half a star', 'landed.rating * 2 <> landed.half_stars'),
        ('timestamp is not in seconds since 1970', 'landed.rated_at is null'),
        ('movie id is not in the movies file', 'movies.movie_id is null'),
    ]) }} as reason
from landed
left join movies using (movie_id)
