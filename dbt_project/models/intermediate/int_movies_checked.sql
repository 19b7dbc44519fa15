-- The archive's films, and after them what was landed since: the latest change of a film replaces what was before it.
with

landed as (
    select
        line_number,
        movie_id,
        title,
        genre_names,
        release_year,
        null as original_language,
        raw,
        malformed_line,
        '' as landed_file,
        0 as landed_row
    from {{ ref('stg_movielens__movies') }}

    union all

    select
        (select coalesce(max(line_number), 0) from {{ ref('stg_movielens__movies') }})
            + row_number() over (order by landed_file, landed_row) as line_number,
        movie_id,
        title,
        genre_names,
        release_year,
        original_language,
        raw,
        null as malformed_line,
        landed_file,
        landed_row
    from {{ ref('stg_events__movies') }}
    where not is_retired
)

select
    * exclude (landed_file, landed_row),
    {{ reject_reason([
        ('movie id is not a whole number', 'movie_id is null'),
        ('movie has no title', "coalesce(title, '') = ''"),
        ('movie was changed later', "landed_file <> max(landed_file) over (partition by movie_id)"),
        ('movie id stands on an earlier line', 'row_number() over (partition by movie_id order by landed_file desc, landed_row desc, line_number) > 1'),
    ]) }} as reason
from landed
