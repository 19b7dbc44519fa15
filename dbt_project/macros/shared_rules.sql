{#- Rules that ingest follows as well, before a build: dbt_project/sql_macros.py reads them here. -#}

{#- A title without its year, as it is told: "Matrix, The (1999)" is "The Matrix". -#}
{% macro plain_title(title) -%}
    regexp_replace(trim(regexp_replace({{ title }}, '\s*\(\d{4}\)\s*$', '')), '^(.*), (The|A|An)$', '\2 \1')
{%- endmacro %}

{#- How many actors of a film, in the order of the credits, are its leads. -#}
{% macro count_leads() -%}5{%- endmacro %}

{#- The first moment of validation and that of test: 80% of all ratings come before the one, 90% before the other. -#}
{% macro split_moments(moment) -%}quantile_disc({{ moment }}, [0.8, 0.9]){%- endmacro %}
