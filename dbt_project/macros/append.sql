{#- A build starts from what was published when only pushed ratings came in since, and from an empty file in every other
    case: warehouse_plugin.py. In the first it sets the DuckDB variable last_published_rating_id, from before the build;
    there is none in a full build, in `dbt test`, and everywhere else. -#}

{% macro is_append() -%}
    {{ return(execute and last_published_rating_id() is not none) }}
{%- endmacro %}

{% macro last_published_rating_id() -%}
    {{ return(run_query("select getvariable('last_published_rating_id')").columns[0].values()[0]) }}
{%- endmacro %}

{#- Ratings that came after the published ones; all of them in a full build. The id is written as a number, so that the
    archive's files are left out by their statistics. -#}
{% macro is_new_rating(rating_id='rating_id') -%}
    {%- if is_append() -%}
    {{ rating_id }} > {{ last_published_rating_id() }}
    {%- else -%}true{%- endif -%}
{%- endmacro %}

{#- A table of the archive: no event flows into it (tests/warehouse/test_conventions.py), and it stays as it is in an
    append. -#}
{% materialization archive_table, adapter='duckdb' %}
    {%- set built = load_cached_relation(this) -%}
    {%- if built and built.type == 'table' and is_append() -%}
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
