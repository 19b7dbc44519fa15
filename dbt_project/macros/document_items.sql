{#- The items of one list of each film's document, once a film: `<entity>_id` and `<entity>_name` by the given
    expressions over `item`, the item's JSON. Items without an id are left out. -#}
{% macro document_items(path, entity, id, name) -%}
select
    movie_id,
    {{ id }} as {{ entity }}_id,
    {{ name }} as {{ entity }}_name
from (
    select
        movie_id,
        unnest(from_json(document -> '{{ path }}', '["JSON"]')) as item
    from {{ ref('int_tmdb_movies') }}
)
where {{ id }} is not null
qualify row_number() over (partition by movie_id, {{ id }} order by {{ name }}) = 1
{%- endmacro %}
