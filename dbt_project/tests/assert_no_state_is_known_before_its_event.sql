-- a state row is stamped one microsecond after its event: at the second of a rating nothing of that rating is known
-- depends_on: {{ ref('int_user_recompute_from') }}
select states.user_id, states.event_timestamp
from {{ ref('feat_user_state') }} as states
left join (
    select * from {{ ref('fct_ratings') }}
    {%- if is_append() %}
    where rated_at >= (select min(recompute_from) from {{ ref('int_user_recompute_from') }})
    {%- endif %}
) as ratings
    on ratings.user_id = states.user_id and ratings.rated_at = states.event_timestamp - interval 1 microsecond
where ratings.rating_id is null
{%- if is_append() %} and states.event_timestamp > (select min(recompute_from) from {{ ref('int_user_recompute_from') }}){% endif %}
