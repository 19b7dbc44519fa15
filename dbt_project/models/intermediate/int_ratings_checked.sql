with

movies as (
    select movie_id from {{ ref('int_movies_checked') }} where reason is null
),

checked as (
    select
        ratings.*,
        {{ reject_reason([
            ('user id is not a whole number', 'ratings.user_id is null'),
            ('movie id is not a whole number', 'ratings.movie_id is null'),
            ('rating is not a number', 'ratings.rating is null or isnan(ratings.rating)'),
            ('rating is not between 0.5 and 5', 'ratings.rating not between 0.5 and 5'),
            ('rating is not in steps of half a star', 'ratings.rating * 2 <> ratings.half_stars'),
            ('timestamp is not in seconds since 1970', 'ratings.rated_at is null'),
            ('movie id is not in the movies file', 'movies.movie_id is null'),
        ]) }} as reason
    from {{ ref('stg_movielens__ratings') }} as ratings
    left join movies using (movie_id)
)

select
    * exclude (reason),
    case
        when reason is not null then reason
        when row_number() over (partition by user_id, movie_id, rated_at, reason order by rating_id) > 1
            then 'same user, movie and second as an earlier line'
    end as reason
from checked
