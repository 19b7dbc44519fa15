{#- After a build: say which landed tables have many rows that cannot be used, and note what failed, which `cinefeast
    doctor` tells (dbt_project/failed_nodes.py). -#}
{% macro tell_quality(results, accounting) %}
    {%- if execute and flags.WHICH in ('build', 'run', 'test') and results -%}
        {%- set built = results | selectattr('status', 'equalto', 'success') | map(attribute='node.name') | list -%}
        {%- if accounting.identifier in built -%}
            {%- for source, read, rejected in run_query(
                "select source, count_read, count_rejected from " ~ accounting ~ " where count_rejected * 100 > count_read order by 1"
            ).rows -%}
                {%- set share = '%.1f' | format(100 * (rejected | int) / (read | int)) -%}
                {%- do log(
                    "warning: " ~ source ~ ": " ~ share ~ "% of " ~ read ~ " rows are rejected; core.rejected_rows says why; next: dbt show --select rejected_rows",
                    info=true
                ) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- do run_query(copy_failed_nodes(results)) -%}
    {%- endif -%}
{% endmacro %}

{#- The names of what failed, a line of JSON each, beside the published warehouse; no line where nothing did. -#}
{% macro copy_failed_nodes(results) -%}
    {%- set failed = results | selectattr('status', 'in', ['error', 'fail', 'runtime error']) | map(attribute='node.name') | list -%}
    {%- set folder = env_var('CINEFEAST_WORKSPACE', '../workspace') | replace("'", "''") -%}
    copy (
        select unnest([{% for name in failed %}'{{ name }}'{{ ', ' if not loop.last }}{% endfor %}]::varchar[]) as name
    ) to '{{ folder }}/warehouse/failed_nodes.json' (format json)
{%- endmacro %}
