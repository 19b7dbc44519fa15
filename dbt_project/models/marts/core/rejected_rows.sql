{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail') }}

{%- set checked = {
    'movies': 'line_number', 'tags': 'tag_id', 'links': 'line_number', 'users': 'line_number', 'tmdb_documents': 'document_number'
} %}
{%- if not is_incremental() %}
{%- for source, line in checked.items() %}
select
    '{{ source }}' as source,
    {{ line }} as line_number,
    reason,
    raw
from {{ ref('int_' ~ source ~ '_checked') }}
where reason is not null

union all
{% endfor %}
{%- endif %}
select
    'ratings' as source,
    checked.rating_id as line_number,
    coalesce(checked.reason, 'same user, movie and second as an earlier line') as reason,
    checked.raw
from {{ ref('int_ratings_checked') }} as checked
anti join {{ ref('fct_ratings') }} as accepted on checked.rating_id = accepted.rating_id
where {{ is_new_rating('checked.rating_id') }}
