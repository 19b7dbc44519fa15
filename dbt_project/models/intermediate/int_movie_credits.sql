-- Cast and crew of each film; one person once per job, cast being the job 'Actor'.
with

members as (
    select
        movie_id,
        'Actor' as job,
        unnest(from_json(document -> '$.credits.cast', '["JSON"]')) as item,
        generate_subscripts(from_json(document -> '$.credits.cast', '["JSON"]'), 1) as place
    from {{ ref('int_tmdb_movies') }}

    union all

    select
        movie_id,
        null as job,
        unnest(from_json(document -> '$.credits.crew', '["JSON"]')) as item,
        generate_subscripts(from_json(document -> '$.credits.crew', '["JSON"]'), 1) as place
    from {{ ref('int_tmdb_movies') }}
),

credits as (
    select
        movie_id,
        {{ whole_number("(item ->> '$.id')") }} as person_id,
        item ->> '$.name' as person_name,
        coalesce(job, item ->> '$.job') as job,
        case when job = 'Actor' then 'Acting' else item ->> '$.department' end as department,
        case when job = 'Actor' then item ->> '$.character' end as character_name,
        coalesce(try_cast(item ->> '$.order' as bigint), place - 1) as credit_order
    from members
)

select * from credits
where person_id is not null and job is not null
qualify row_number() over (partition by movie_id, person_id, job order by credit_order, character_name) = 1
