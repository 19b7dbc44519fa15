select
    *,
    {{ reject_reason([
        ('user id is not a whole number', 'user_id is null'),
        ('user id stands on an earlier line', 'row_number() over (partition by user_id order by line_number) > 1'),
    ]) }} as reason
from {{ ref('stg_movielens__users') }}
