with

movies as (
    select movie_id from {{ ref('int_movies_checked') }} where reason is null
)

select
    tags.*,
    {{ reject_reason([
        ('user id is not a whole number', 'tags.user_id is null'),
        ('movie id is not a whole number', 'tags.movie_id is null'),
        ('tag is empty', 'tags.tag is null'),
        ('timestamp is not in seconds since 1970', 'tags.tagged_at is null'),
        ('movie id is not in the movies file', 'movies.movie_id is null'),
    ]) }} as reason
from {{ ref('stg_movielens__tags') }} as tags
left join movies using (movie_id)
