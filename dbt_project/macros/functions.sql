{#- DuckDB's functions are expressions, without a language, a return type or a volatility. -#}
{% macro duckdb__scalar_function_create_replace_signature_sql(target_relation) -%}
    create or replace function {{ target_relation }} ({{ model.arguments | map(attribute='name') | join(', ') }}) as
{%- endmacro %}

{% macro duckdb__scalar_function_body_sql() -%}
    ({{ model.compiled_code }})
{%- endmacro %}
