-- What a user did up to and with each second in which they did something: sets, ascending, so that the order in which
-- events arrive is of no matter.
{%- set kinds = {'hidden': 'hide', 'watched': 'watch', 'clicked': 'click'} %}

with

running as (
    select distinct
        user_id,
        occurred_at,
        {%- for name, kind in kinds.items() %}
        list(movie_id) filter (where kind = '{{ kind }}') over so_far as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('fct_feedback') }}
    window so_far as (partition by user_id order by occurred_at range between unbounded preceding and current row)
)

select
    user_id,
    {{ known_after('occurred_at') }} as event_timestamp,
    {%- for name in kinds %}
    list_sort(list_distinct({{ name }})) as user_{{ name }}_movie_ids,
    {%- endfor %}
    epoch_us(occurred_at) // 1000000 as user_last_feedback_at
from running
-- the same sets in another order are no other row
qualify row_number() over (partition by user_id, occurred_at) = 1
