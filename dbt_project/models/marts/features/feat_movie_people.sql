with

people as (
    select
        movie_id,
        list(person_id order by place) filter (role = 'director') as director_ids,
        list(person_id order by place) filter (role = 'cast') as cast_ids
    from {{ ref('int_movie_leads') }}
    group by movie_id
),

keywords as (
    select
        movie_id,
        list(keyword_id order by keyword_id) as keyword_ids
    from {{ ref('int_movie_keywords') }}
    group by movie_id
)

select
    movies.movie_id,
    movies.known_at as event_timestamp,
    people.director_ids as movie_director_ids,
    people.cast_ids as movie_cast_ids,
    keywords.keyword_ids as movie_keyword_ids
from {{ ref('dim_movies') }} as movies
left join people using (movie_id)
left join keywords using (movie_id)
