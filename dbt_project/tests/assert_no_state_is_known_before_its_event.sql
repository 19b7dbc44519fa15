-- a state row is stamped one microsecond after its event: at the second of a rating nothing of that rating is known
-- depends_on: {{ ref('int_user_recompute_from') }}
{%- set since = "(select min(recompute_from) from " ~ ref('int_user_recompute_from') ~ ")" %}
with

ratings as (
    select * from {{ ref('fct_ratings') }}
    {%- if is_append() %}
    where rated_at >= {{ since }}
    {%- endif %}
)

select
    states.user_id,
    states.event_timestamp
from {{ ref('feat_user_state') }} as states
left join ratings
    on states.user_id = ratings.user_id and states.event_timestamp - interval 1 microsecond = ratings.rated_at
where ratings.rating_id is null
{%- if is_append() %} and states.event_timestamp > {{ since }}{% endif %}
