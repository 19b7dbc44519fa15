-- whoever was erased is in no fact, whatever way a row took
{%- set facts = ['fct_ratings', 'fct_tags', 'fct_feedback', 'dim_users', 'int_event_ratings', 'int_feedback_checked'] %}
{%- for fact in facts %}
select
    '{{ fact }}' as found_in,
    user_id
from {{ ref(fact) }}
semi join {{ ref('stg_events__erased_users') }} using (user_id)
{{- '\n\nunion all\n' if not loop.last }}
{%- endfor %}
