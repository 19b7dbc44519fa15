select
    *,
    coalesce(
        {{ reject_reason([]) }},
        {{ id_problem('movie_id', 'movie') }},
        {{ reject_reason([
            ('movie has no title', "coalesce(title, '') = ''"),
            ('movie id stands on an earlier line', 'row_number() over (partition by movie_id order by line_number) > 1'),
        ]) }}
    ) as reason
from {{ ref('stg_movielens__movies') }}
