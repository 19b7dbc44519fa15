select
    *,
    coalesce(
        {{ reject_reason([]) }},
        {{ id_problem('user_id', 'user') }},
        {{ reject_reason([
            ('user id stands on an earlier line', 'row_number() over (partition by user_id order by line_number) > 1'),
        ]) }}
    ) as reason
from {{ ref('stg_movielens__users') }}
