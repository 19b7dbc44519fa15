-- The people who stand for a film: its directors, and its first actors. ingest/film_texts.py chooses the same from the
-- documents, before a build: tests/warehouse/test_film_texts.py holds the two equal.
with

credits as (
    select
        movie_id,
        person_id,
        case job when 'Director' then 'director' when 'Actor' then 'cast' end as role,
        row_number() over (partition by movie_id, job order by credit_order, person_id) as place
    from {{ ref('int_movie_credits') }}
    where job in ('Director', 'Actor')
)

select * from credits
where role = 'director' or place <= {{ count_leads() }}
