with

source as (
    select * from {{ source('events', 'movie_update') }}
),

renamed as (
    select
        -- ids
        {{ whole_number('movie_id::varchar') }} as movie_id,

        -- text
        title,
        genre_names,
        original_language,
        director_name,
        given,
        coalesce(given, concat_ws(' | ', movie_id, title, release_year, genre_names)) as raw,

        -- numerics
        try_cast(release_year as bigint) as release_year,

        -- booleans
        coalesce(is_retired, false) as is_retired,

        -- where and when it was landed: a segment says it of each row, the name of an older file of all of its rows
        coalesce(landed_file, parse_filename(filename)) as landed_file,
        coalesce(landed_row, file_row_number) as landed_row,
        coalesce(landed_at, try_strptime(parse_filename(filename)[:22], '%Y%m%dT%H%M%S.%f')) as landed_at
    from source
)

select * from renamed
