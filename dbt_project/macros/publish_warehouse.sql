{#- After a build of everything in which nothing failed: copy the file, put the copy in place. -#}
{% macro publish_warehouse(results, published_up_to) %}
    {%- if execute and flags.WHICH in ('build', 'run') and results -%}
        {%- set failed = results | selectattr('status', 'in', ['error', 'fail', 'skipped', 'runtime error']) | list -%}
        {%- set built = results | map(attribute='node.unique_id') | list -%}
        {%- set left_out = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model')
            | map(attribute='unique_id') | reject('in', built) | list -%}
        {%- if failed -%}
            {%- do log("not published: " ~ failed | length ~ " node(s) failed; the last good warehouse stays in place", info=true) -%}
        {%- elif left_out -%}
            {%- do log("not published: " ~ left_out | length ~ " model(s) were left out; next: dbt build", info=true) -%}
        {%- else -%}
            {%- do run_query("checkpoint") -%}
            {%- set published = run_query("select publish_warehouse((select last_landed_file from " ~ published_up_to ~ "))") -%}
            {%- do log("published " ~ published.columns[0].values()[0], info=true) -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
