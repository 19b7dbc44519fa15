{#- After a build in which all passed that there is: copy the file, put the copy in place (publish.py). What is not
    tested is not published, but by the one who says so: --vars 'publish_untested: true'. -#}
{% macro publish_warehouse(results) %}
    {%- if execute and flags.WHICH in ('build', 'run') and results -%}
        {%- set failed = results | selectattr('status', 'in', ['error', 'fail', 'skipped', 'runtime error']) | list -%}
        {%- set left_out = expected_nodes() | reject('in', results | map(attribute='node.unique_id') | list) | list -%}
        {%- if failed -%}
            {%- do log("not published: " ~ failed | length ~ " node(s) failed; the last good warehouse stays in place", info=true) -%}
        {%- elif left_out -%}
            {%- do log("not published: " ~ left_out | length ~ " node(s) were left out, such as " ~ left_out[0].split('.')[2] ~ "; next: dbt build", info=true) -%}
        {%- else -%}
            {%- do run_query("checkpoint") -%}
            {%- set untested = 'true' if var('publish_untested', false) else 'false' -%}
            {%- set said = run_query("select publish_warehouse(to_json({" ~ count_rows() ~ "}), " ~ untested ~ ")") -%}
            {%- do log(said.columns[0].values()[0], info=true) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{#- What has to pass before a warehouse is published. Unit tests are not
    in this graph: warehouse_plugin.py sees to them. -#}
{% macro expected_nodes() -%}
    {%- set kinds = ['model', 'seed'] if var('publish_untested', false) else ['model', 'seed', 'test'] -%}
    {{ return(graph.nodes.values() | selectattr('resource_type', 'in', kinds) | map(attribute='unique_id') | list) }}
{%- endmacro %}

{#- Each table that the graph has, with its rows as they were built; a view with none. -#}
{% macro count_rows() -%}
    {%- for node in graph.nodes.values() if node.resource_type in ('model', 'seed') -%}
        '{{ node.schema }}.{{ node.name }}':
        {%- if node.config.materialized == 'view' %} null{% else %} (select count(*) from "{{ node.schema }}"."{{ node.name }}"){% endif %}
        {{- ', ' if not loop.last -}}
    {%- endfor -%}
{%- endmacro %}
