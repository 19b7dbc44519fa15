{#- Why a landed row cannot be used; null when it can. Checks are given in the order in which they are told. -#}
{% macro reject_reason(checks) -%}
    case
        when malformed_line is not null then 'wrong number of fields'
        {%- for reason, condition in checks %}
        when {{ condition }} then '{{ reason }}'
        {%- endfor %}
    end
{%- endmacro %}

{#- The row as it was landed, for the table of rejected rows. -#}
{% macro raw_row(columns) -%}
    coalesce(malformed_line, concat_ws(' | ', {{ columns | join(', ') }}))
{%- endmacro %}
