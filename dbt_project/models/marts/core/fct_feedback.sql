{{ config(materialized='table') }}

select
    event_id,
    user_id,
    movie_id,
    kind,
    occurred_at
from {{ ref('int_feedback_checked') }}
where reason is null
