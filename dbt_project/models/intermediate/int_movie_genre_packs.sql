-- What one rating of a film adds to a user's sums by genre: macros/packed_sums.sql.
select
    movie_id
    {%- for pack in range(count_packs() | int) %},
    {{ genre_pack('mask', pack) }} as pack_{{ pack }}
    {%- endfor %}
from (
    select
        movie_id,
        bit_or(1::bigint << genre_index::integer) as mask
    from {{ ref('int_movie_genres') }}
    group by movie_id
)
