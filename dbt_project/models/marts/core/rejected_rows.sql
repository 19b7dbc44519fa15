{%- set checked = {
    'ratings': 'rating_id', 'movies': 'line_number', 'tags': 'tag_id', 'links': 'line_number', 'users': 'line_number',
    'tmdb_documents': 'document_number'
} %}
{%- for source, line in checked.items() %}
select
    '{{ source }}' as source,
    {{ line }} as line_number,
    reason,
    raw
from {{ ref('int_' ~ source ~ '_checked') }}
where reason is not null
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
