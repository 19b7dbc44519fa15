-- The ratings of all films that a person directed, or led the cast of, up to the end of each day on which one came in.
with

days as (
    select
        leads.role,
        leads.person_id,
        moments.rated_at::date as rated_on,
        sum(moments.n)::bigint as n,
        sum(moments.half_stars)::bigint as half_stars
    from {{ ref('int_movie_moments') }} as moments
    inner join {{ ref('int_movie_leads') }} as leads using (movie_id)
    group by all
)

select
    role,
    person_id,
    (rated_on + interval 1 day)::date as known_on,
    sum(n) over so_far as n,
    sum(half_stars) over so_far as half_stars
from days
window so_far as (partition by role, person_id order by rated_on rows between unbounded preceding and current row)
