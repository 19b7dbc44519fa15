with

genres as (
    select
        movie_id,
        list(genre_index order by genre_index) as genre_indexes,
        list(genre_name order by genre_index) as genre_names
    from {{ ref('bridge_movie_genres') }}
    inner join {{ ref('dim_genres') }} using (genre_index)
    group by movie_id
),

people as (
    select
        leads.movie_id,
        any_value(leads.person_id) filter (leads.role = 'director' and leads.place = 1) as director_id,
        any_value(names.person_name) filter (leads.role = 'director' and leads.place = 1) as director_name,
        list(leads.person_id order by leads.place) filter (leads.role = 'cast') as cast_ids,
        list(names.person_name order by leads.place) filter (leads.role = 'cast') as cast_names
    from {{ ref('int_movie_leads') }} as leads
    inner join {{ ref('dim_people') }} as names using (person_id)
    group by leads.movie_id
)

select
    movies.movie_id,
    movies.known_at as event_timestamp,
    movies.movie_index,
    movies.title as movie_title,
    movies.release_year as movie_year,
    movies.runtime as movie_runtime,
    movies.budget::float as movie_budget,
    movies.original_language as movie_language,
    genres.genre_indexes as movie_genres,
    genres.genre_names as movie_genre_names,
    people.director_id as movie_director_id,
    coalesce(told.director_name, people.director_name) as movie_director_name,
    people.cast_ids as movie_lead_cast_ids,
    people.cast_names as movie_lead_cast_names
from {{ ref('dim_movies') }} as movies
left join {{ ref('int_movies') }} as told using (movie_id)
left join genres using (movie_id)
left join people using (movie_id)
