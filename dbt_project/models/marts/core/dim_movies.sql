{{ config(materialized='table') }}

with

movies as (
    select * from {{ ref('int_movies') }}
),

links as (
    select
        movie_id,
        tmdb_id,
        imdb_id
    from {{ ref('int_links_checked') }}
    where reason is null
),

first_ratings as (
    select
        movie_id,
        min(rated_at) as first_rated_at
    from {{ ref('fct_ratings') }}
    group by movie_id
),

dated as (
    select
        movies.* exclude (original_language),
        links.tmdb_id,
        links.imdb_id,
        tmdb.* exclude (movie_id, tmdb_id, imdb_id, title, original_language, document),
        tmdb.movie_id is not null as is_in_tmdb,
        coalesce(movies.original_language, tmdb.original_language) as original_language,
        first_ratings.first_rated_at,
        coalesce(movies.release_year, year(tmdb.released_on)) as year,
        coalesce(tmdb.released_on, make_date(movies.release_year, 1, 1)) as first_shown_on
    from movies
    left join links using (movie_id)
    left join {{ ref('int_tmdb_movies') }} as tmdb using (movie_id)
    left join first_ratings using (movie_id)
)

select
    -- ids
    movie_id,
    row_number() over (order by movie_id) - 1 as movie_index,
    tmdb_id,
    imdb_id,
    collection_id,

    -- text
    title,
    overview,
    tagline,
    poster_path,
    original_language,

    -- numerics
    year::bigint as release_year,
    runtime,
    budget,
    lookahead_revenue,
    lookahead_popularity,
    lookahead_vote_average,
    lookahead_vote_count,
    lookahead_count_award_nominations,
    lookahead_count_award_wins,

    -- booleans
    is_in_tmdb,

    -- timestamps
    released_on,
    first_rated_at,
    -- a film that was rated before its stated release was known by then, one without a release always: that somebody
    -- will rate it is of the future; nothing is asked of the time before 1970
    greatest(
        least(coalesce(first_shown_on::timestamp, timestamp '1970-01-01'), first_rated_at), timestamp '1970-01-01'
    ) as known_at
from dated
