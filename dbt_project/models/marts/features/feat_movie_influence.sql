-- Sums over a film's people are the sums over all films of each: added up by quarter, then along the quarters.
-- A late rating counts from the quarter after its arrival, so that what was known is never rewritten.
-- Means are kept in hundredths of a star, and a row is written when one changes: a record moves slowly.
{{ config(
    materialized='incremental', incremental_strategy='append', on_schema_change='fail',
    pre_hook="{% if is_incremental() %}delete from {{ this }} where event_timestamp > (select date_trunc('quarter', min(recompute_from)) from {{ ref('int_movie_recompute_from') }}){% endif %}"
) }}

with

first_quarter as (
    select date_trunc('quarter', min(recompute_from))::date as first_quarter from {{ ref('int_movie_recompute_from') }}
),

-- in an append all quarters whose rows stay are one
movie_quarters as (
    select
        ratings.movie_id,
        greatest(
            date_trunc('quarter', {{ known_at('ratings') }})::date, (first_quarter - interval 3 months)::date
        ) as quarter,
        count(*) as n,
        sum(ratings.half_stars) as half_stars
    from {{ ref('fct_ratings') }} as ratings, first_quarter
    group by all
),

person_quarters as (
    select
        leads.role,
        leads.person_id,
        movie_quarters.quarter,
        sum(movie_quarters.n) as n,
        sum(movie_quarters.half_stars) as half_stars
    from movie_quarters
    inner join {{ ref('int_movie_leads') }} as leads using (movie_id)
    group by all
),

film_quarters as (
    select
        leads.movie_id,
        person_quarters.quarter,
        sum(person_quarters.n) filter (leads.role = 'director') as director_n,
        sum(person_quarters.half_stars) filter (leads.role = 'director') as director_half_stars,
        sum(person_quarters.n) filter (leads.role = 'cast') as cast_n,
        sum(person_quarters.half_stars) filter (leads.role = 'cast') as cast_half_stars
    from person_quarters
    inner join {{ ref('int_movie_leads') }} as leads using (role, person_id)
    group by all
),

running as (
    select
        movie_id,
        quarter,
        sum(director_n) over so_far as director_n,
        sum(director_half_stars) over so_far as director_half_stars,
        sum(cast_n) over so_far as cast_n,
        sum(cast_half_stars) over so_far as cast_half_stars
    from film_quarters
    window so_far as (partition by movie_id order by quarter rows between unbounded preceding and current row)
),

-- nothing is asked of a film before it is shown: what was known by then is stamped with that day
stamped as (
    select
        running.*,
        greatest(
            (running.quarter + interval 3 months)::timestamp,
            coalesce(movies.released_on, make_date(movies.release_year, 1, 1), date '1970-01-01')::timestamp
        ) as event_timestamp
    from running
    inner join {{ ref('dim_movies') }} as movies using (movie_id)
    qualify row_number() over (partition by running.movie_id, event_timestamp order by running.quarter desc) = 1
),

rounded as (
    select
        movie_id,
        event_timestamp,
        (100 * director_half_stars + director_n) // (2 * director_n) as director,
        (100 * cast_half_stars + cast_n) // (2 * cast_n) as lead_cast
    from stamped
),

changes as (
    select * from rounded
    qualify
        (director, lead_cast)
        is distinct from lag((director, lead_cast)) over (partition by movie_id order by event_timestamp)
)

select
    movie_id,
    event_timestamp,
    (director / 100)::float as movie_director_influence,
    (lead_cast / 100)::float as movie_cast_influence
from changes
{%- if is_incremental() %}
where event_timestamp > (select first_quarter from first_quarter)
{%- endif %}
