-- An event that was sent again counts as it came first.
{{ config(materialized='table') }}

select
    event_id,
    user_id,
    movie_id,
    kind,
    occurred_at
from {{ ref('stg_events__feedback') }}
where event_id is not null
qualify row_number() over (partition by event_id order by landed_file, landed_row) = 1
