{#- Whether this build starts from what was published and only events came in since: warehouse_plugin.py empties the
    build file in every other case. Where it does not, it keeps the last rating_id that rpt_published told before the
    build, in a variable: the model itself is built anew like any other. -#}
{% macro is_append() -%}
    {%- if not execute or flags.FULL_REFRESH -%}
        {{ return(false) }}
    {%- endif -%}
    {{ return(last_published_rating_id() is not none) }}
{%- endmacro %}

{% macro last_published_rating_id() -%}
    {{ return(run_query("select getvariable('last_published_rating_id')").columns[0].values()[0]) }}
{%- endmacro %}

{#- dbt asks this for each incremental model. -#}
{% macro should_full_refresh() -%}
    {{ return(not is_append()) }}
{%- endmacro %}

{#- Ratings that came after the published ones; all of them in a full build. The id is written as a number, so that the
    archive's files are left out by their statistics. -#}
{% macro is_new_rating(rating_id='rating_id') -%}
    {%- if is_append() -%}
    {{ rating_id }} > {{ last_published_rating_id() }}
    {%- else -%}true{%- endif -%}
{%- endmacro %}

{#- Whether any rating or other event of a user flows into a model, by the graph. -#}
{% macro follows_events(node) -%}
    {%- for parent in node.depends_on.nodes -%}
        {%- if parent in ('model.cinefeast.int_event_ratings', 'model.cinefeast.stg_events__feedback')
            or (parent in graph.nodes and follows_events(graph.nodes[parent])) -%}
            {{ return(true) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(false) }}
{%- endmacro %}

{#- In an append a table that no event flows into stays as it is. -#}
{% materialization table, adapter='duckdb' %}
    {%- set built = load_cached_relation(this) -%}
    {%- if built and built.type == 'table' and is_append() and not follows_events(model) -%}
        {%- call noop_statement('main', 'UNCHANGED') -%}{%- endcall -%}
        {{ return({'relations': [built]}) }}
    {%- endif -%}
    {{ return(dbt.materialization_table_duckdb()) }}
{% endmaterialization %}

{#- Before an append: delete the rows that are built anew. `recompute` says from which moment on, for each key. -#}
{% macro delete_to_recompute(recompute, key) -%}
    {%- if is_incremental() -%}
    delete from {{ this }} using {{ recompute }} as recompute
    where {{ this }}.{{ key }} = recompute.{{ key }} and {{ this }}.event_timestamp > recompute.recompute_from
    {%- endif -%}
{%- endmacro %}

{#- In an append: what the last row that stays has of a column, to be added. -#}
{% macro plus_base(column) -%}
    {%- if is_incremental() %} + coalesce(base.{{ column }}, 0){% endif -%}
{%- endmacro %}

{#- A test's `where` that starts with "__append__:" holds in appends alone: what did not change was tested before it was
    published. A full build tests everything. -#}
{% macro get_where_subquery(relation) -%}
    {%- set where = (config.get('where') or '') | trim -%}
    {%- if where.startswith('__append__:') -%}
        {%- set where = where.removeprefix('__append__:') if is_append() else '' -%}
    {%- endif -%}
    {%- if where -%}
    (select * from {{ relation }} where {{ where }}) dbt_subquery
    {%- else -%}
    {{ relation }}
    {%- endif -%}
{%- endmacro %}
