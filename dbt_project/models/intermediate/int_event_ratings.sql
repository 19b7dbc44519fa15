-- Pushed ratings with the ids that go on where the archive's end. Each landed file is taken in once, whatever its name:
-- tests/assert_every_landed_rating_is_taken_in.sql.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail') }}

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
    given,
    landed_file,
    landed_row,
    landed_at
from {{ ref('stg_events__ratings') }}
{%- if is_incremental() %}
where landed_file not in (select landed_file from {{ this }})
{%- endif %}
