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

{#- How many landed rows are of erased users: staging leaves them out. Their events do not lie in the segments any more. -#}
{% macro count_erased(landed, erased) -%}
    (select count(*) from {{ landed }} as landed
        semi join {{ erased }} as erased on {{ whole_number('landed.user_id') }} = erased.user_id)
{%- endmacro %}
