-- Mean rating of all films of a film's director, and of its lead cast, as known on the morning of each day that the
-- film needs it: the days on which it was rated, and the day from which it is known.
with

days as (
    select distinct movie_id, rated_at::date as day from {{ ref('int_movie_moments') }}
    union
    select movie_id, known_at::date as day from {{ ref('dim_movies') }}
),

records as (
    select
        days.movie_id,
        days.day,
        people.role,
        people.n,
        people.half_stars
    from days
    inner join {{ ref('int_movie_leads') }} as leads using (movie_id)
    asof inner join {{ ref('int_person_running') }} as people
        on people.role = leads.role and people.person_id = leads.person_id and people.known_on <= days.day
)

select
    movie_id,
    day,
    {{ mean_rating("sum(half_stars) filter (role = 'director')", "sum(n) filter (role = 'director')") }} as director_influence,
    {{ mean_rating("sum(half_stars) filter (role = 'cast')", "sum(n) filter (role = 'cast')") }} as cast_influence
from records
group by movie_id, day
