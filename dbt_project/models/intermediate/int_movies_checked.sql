select
    *,
    {{ reject_reason([
        ('movie id is not a whole number', 'movie_id is null'),
        ('movie has no title', "coalesce(title, '') = ''"),
        ('movie id stands on an earlier line', 'row_number() over (partition by movie_id order by line_number) > 1'),
    ]) }} as reason
from {{ ref('stg_movielens__movies') }}
