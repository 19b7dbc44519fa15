with

countries as (
    select
        movie_id,
        list(country_id order by country_id) as country_ids
    from {{ ref('int_movie_countries') }}
    group by movie_id
)

select
    movies.movie_id,
    movies.known_at as event_timestamp,
    countries.country_ids as movie_countries
from {{ ref('dim_movies') }} as movies
left join countries using (movie_id)
