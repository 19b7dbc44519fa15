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

directors as (
    select
        movie_id,
        arg_min(person_id, credit_order) as director_id
    from {{ ref('int_movie_credits') }}
    where job = 'Director'
    group by movie_id
),

leads as (
    select
        movie_id,
        list(person_id order by credit_order, person_id) as cast_ids,
        list(person_name order by credit_order, person_id) as cast_names
    from (
        select credits.movie_id, credits.credit_order, credits.person_id, people.person_name
        from {{ ref('int_movie_leads') }} as leads
        inner join {{ ref('int_movie_credits') }} as credits
            on credits.movie_id = leads.movie_id and credits.person_id = leads.person_id and credits.job = 'Actor'
        inner join {{ ref('dim_people') }} as people on people.person_id = credits.person_id
        where leads.role = 'cast'
    )
    group by movie_id
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
    directors.director_id as movie_director_id,
    people.person_name as movie_director_name,
    leads.cast_ids as movie_lead_cast_ids,
    leads.cast_names as movie_lead_cast_names
from {{ ref('dim_movies') }} as movies
left join genres using (movie_id)
left join directors using (movie_id)
left join {{ ref('dim_people') }} as people on people.person_id = directors.director_id
left join leads using (movie_id)
