-- In an append only events came in: ratings, which are added, and feedback, all of which is checked anew.
{{ config(
    materialized='incremental', incremental_strategy='append', on_schema_change='fail',
    pre_hook="{% if is_incremental() %}delete from {{ this }} where source = 'feedback'{% endif %}"
) }}

{%- set checked = {
    'movies': 'line_number', 'tags': 'tag_id', 'links': 'line_number', 'users': 'line_number',
    'tmdb_documents': 'document_number', 'movie_changes': 'line_number', 'feedback': 'line_number'
} %}
{%- for source, line in checked.items() if source == 'feedback' or not is_incremental() %}
select
    '{{ source }}' as source,
    {{ line }} as line_number,
    reason,
    raw
from {{ ref('int_' ~ source ~ '_checked') }}
where reason is not null

union all
{% endfor %}
select
    'ratings' as source,
    checked.rating_id as line_number,
    coalesce(checked.reason, 'same user, movie and second as an earlier line') as reason,
    checked.raw
from {{ ref('int_ratings_checked') }} as checked
anti join {{ ref('fct_ratings') }} as accepted on checked.rating_id = accepted.rating_id
where {{ is_new_rating('checked.rating_id') }}
