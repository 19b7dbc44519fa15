-- The offline store slices the latest before a moment out of these arrays: feat_user_feedback tells where it is.
{%- set kinds = feedback_names() %}

select
    user_id,
    {%- for name, kind in kinds.items() %}
    list(movie_id order by second, movie_id) filter (where kind = '{{ kind }}') as {{ name }}_movie_ids,
    list(second order by second) filter (where kind = '{{ kind }}') as {{ name }}_timestamps{{ ',' if not loop.last }}
    {%- endfor %}
from {{ ref('int_feedback_distinct') }}
group by user_id
