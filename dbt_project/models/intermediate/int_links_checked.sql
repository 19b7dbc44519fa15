with

movies as (
    select movie_id from {{ ref('int_movies_checked') }} where reason is null
)

select
    links.*,
    {{ reject_reason([
        ('movie id is not a whole number', 'links.movie_id is null'),
        ('movie id is not in the movies file', 'movies.movie_id is null'),
        ('movie id stands on an earlier line', 'row_number() over (partition by links.movie_id order by links.line_number) > 1'),
    ]) }} as reason
from {{ ref('stg_movielens__links') }} as links
left join movies using (movie_id)
