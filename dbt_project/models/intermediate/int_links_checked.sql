-- A links file may be that of a larger data set: links of films that the archive lacks are surplus, no fault.
with

movies as (
    select movie_id from {{ ref('int_movies') }}
)

select
    links.*,
    movies.movie_id is null as is_surplus,
    coalesce(
        {{ reject_reason([]) }},
        {{ id_problem('links.movie_id', 'movie') }},
        {{ reject_reason([
            ('TMDb id is not a whole number', 'links.tmdb_id is null and links.tmdb_text is not null'),
            ('movie id stands on an earlier line', 'row_number() over (partition by links.movie_id order by links.line_number) > 1'),
        ]) }}
    ) as reason
from {{ ref('stg_movielens__links') }} as links
left join movies using (movie_id)
