-- Films that were added or changed after the archive was published; that one is retired is of no matter here.
with

archive as (
    select movie_id from {{ ref('int_movies_checked') }} where reason is null
),

numbered as (
    select
        *,
        row_number() over (order by landed_file, landed_row) as line_number,
        null::varchar as malformed_line
    from {{ ref('stg_events__movies') }}
    where not is_retired
)

select
    changes.*,
    coalesce(
        {{ id_problem('changes.movie_id', 'movie') }},
        {{ reject_reason([
            ('movie has no title', "trim(changes.title) = '' or (changes.title is null and archive.movie_id is null)"),
            ('a value is not of its column', 'changes.given is not null'),
            ('release year cannot be', 'changes.release_year not between ' ~ earliest_year() ~ ' and ' ~ latest_year()),
        ]) }}
    ) as reason
from numbered as changes
left join archive using (movie_id)
