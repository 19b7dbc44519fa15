{#- After a build in which nothing failed, copy the warehouse and put the copy in place by one rename. -#}
{% macro publish_warehouse(results) %}
    {%- set failed = results | selectattr('status', 'in', ['error', 'fail', 'skipped', 'runtime error']) | list -%}
    {%- if execute and flags.WHICH in ('build', 'run') and results and not failed -%}
        {%- set copy = env_var('CINEFEAST_WORKSPACE', '../workspace') ~ '/warehouse/cinefeast.duckdb.publishing' -%}
        {%- do run_query("attach '" ~ copy | replace("'", "''") ~ "' as publishing") -%}
        {%- do run_query("copy from database " ~ adapter.quote(target.database) ~ " to publishing") -%}
        {%- do run_query("detach publishing") -%}
        {%- do run_query("select publish_warehouse('" ~ copy | replace("'", "''") ~ "')") -%}
        {%- do log("published " ~ (copy | replace('.publishing', '')), info=true) -%}
    {%- elif failed and flags.WHICH in ('build', 'run') -%}
        {%- do log("not published: " ~ failed | length ~ " node(s) failed; the last good warehouse stays in place", info=true) -%}
    {%- endif -%}
{% endmacro %}
