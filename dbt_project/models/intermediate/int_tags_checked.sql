with

movies as (
    select movie_id from {{ ref('int_movies') }}
)

select
    tags.*,
    coalesce(
        {{ reject_reason([]) }},
        {{ id_problem('tags.user_id', 'user') }},
        {{ id_problem('tags.movie_id', 'movie') }},
        {{ reject_reason([('tag is empty', 'tags.tag is null')]) }},
        {{ moment_problem('tags.tagged_at', this_moment()) }},
        {{ reject_reason([('movie id is not in the movies file', 'movies.movie_id is null')]) }}
    ) as reason
from {{ ref('stg_movielens__tags') }} as tags
left join movies using (movie_id)
