{{ config(materialized='table') }}

with

movies as (
    select movie_id from {{ ref('int_movies') }}
),

numbered as (
    select
        *,
        row_number() over (order by landed_file, landed_row) as line_number,
        null::varchar as malformed_line
    from {{ ref('stg_events__feedback') }}
)

select
    events.*,
    coalesce(
        {{ feedback_problem(
            'events.event_id', 'events.user_id', 'events.movie_id', 'events.kind', 'events.occurred_at',
            arrived_at('events.landed_at')
        ) }},
        {{ reject_reason([
            ('movie id is not in the movies file', 'movies.movie_id is null'),
            ('same event id as an earlier event', 'row_number() over (partition by events.event_id order by events.line_number) > 1'),
        ]) }}
    ) as reason
from numbered as events
left join movies using (movie_id)
