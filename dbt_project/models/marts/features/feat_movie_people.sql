with

directors as (
    select
        movie_id,
        list(person_id order by credit_order, person_id) as person_ids
    from {{ ref('int_movie_credits') }}
    where job = 'Director'
    group by movie_id
),

leads as (
    select
        credits.movie_id,
        list(credits.person_id order by credits.credit_order, credits.person_id) as person_ids
    from {{ ref('int_movie_leads') }} as leads
    inner join {{ ref('int_movie_credits') }} as credits
        on credits.movie_id = leads.movie_id and credits.person_id = leads.person_id and credits.job = 'Actor'
    where leads.role = 'cast'
    group by credits.movie_id
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
    directors.person_ids as movie_director_ids,
    leads.person_ids as movie_cast_ids,
    keywords.keyword_ids as movie_keyword_ids
from {{ ref('dim_movies') }} as movies
left join directors using (movie_id)
left join leads using (movie_id)
left join keywords using (movie_id)
