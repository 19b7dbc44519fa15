-- How much of feat_user_feedback_history was there after each second with feedback, as user_count_ratings tells it of
-- ratings: a list a second would grow with the square of what a user did.
{%- set kinds = feedback_names() %}

with

seconds as (
    select
        user_id,
        second,
        {%- for name, kind in kinds.items() %}
        count(*) filter (where kind = '{{ kind }}') as count_{{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('int_feedback_distinct') }}
    group by user_id, second
)

select
    user_id,
    {{ known_after('make_timestamp(second * 1000000)') }} as event_timestamp,
    {%- for name in kinds %}
    nullif(sum(count_{{ name }}) over so_far, 0)::bigint as user_count_{{ name }},
    {%- endfor %}
    second as user_last_feedback_at
from seconds
window so_far as (partition by user_id order by second)
