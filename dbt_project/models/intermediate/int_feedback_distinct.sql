{{ config(materialized='table') }}

select distinct
    user_id,
    kind,
    movie_id,
    epoch_us(occurred_at) // 1000000 as second
from {{ ref('fct_feedback') }}
