-- Which landed files this warehouse has taken in: the next build takes in the others.
{%- set landed = {
    'ratings': ref('int_event_ratings'), 'feedback': ref('stg_events__feedback'), 'films': ref('stg_events__movies')
} %}
{%- for source, relation in landed.items() %}
select
    '{{ source }}' as source,
    landed_file,
    count(*) as count_rows,
    {% if source == 'ratings' %}{{ rows_hash() }}{% else %}null{% endif %} as rows_hash,
    min(landed_at) as first_landed_at,
    max(landed_at) as last_landed_at
from {{ relation }}
group by landed_file
{{- '\n\nunion all\n' if not loop.last }}
{%- endfor %}
