{#- Fails with each combination of the columns that stands on more than one row. Test and argument are named as in
    dbt_utils: by these names dbt knows a primary key of several columns. -#}
{% test unique_combination_of_columns(model, combination_of_columns) %}
select
    {{ combination_of_columns | join(', ') }},
    count(*) as count_rows
from {{ model }}
group by {{ combination_of_columns | join(', ') }}
having count(*) > 1
{% endtest %}
