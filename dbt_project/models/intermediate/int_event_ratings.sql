-- Pushed ratings with the ids that go on where the archive's end. A file counts once: what is landed while a build runs
-- waits for the next one.
{{ config(materialized='incremental', incremental_strategy='append') }}

with

last_ids as (
    select coalesce(max(line_number), 0) as rating_id from {{ source('movielens', 'ratings') }}
    {%- if is_incremental() %}
    union all
    select coalesce(max(rating_id), 0) as rating_id from {{ this }}
    {%- endif %}
)

select
    (select max(rating_id) from last_ids) + row_number() over (order by landed_file, landed_row) as rating_id,
    user_id,
    movie_id,
    rating,
    rated_at,
    landed_file
from {{ ref('stg_events__ratings') }}
{%- if is_incremental() %}
where landed_file > (select coalesce(max(landed_file), '') from {{ this }})
{%- endif %}
