with

source as (
    select * from {{ source('events', 'movie_update') }}
),

renamed as (
    select
        -- ids
        movie_id,

        -- text
        title,
        genre_names,
        original_language,
        concat_ws(' | ', movie_id, title, genre_names) as raw,

        -- numerics
        release_year::integer as release_year,

        -- booleans
        is_retired,

        -- where and when it was landed: a segment says it of each row, the name of an older file of all of its rows
        coalesce(landed_file, parse_filename(filename)) as landed_file,
        coalesce(landed_row, file_row_number) as landed_row,
        coalesce(landed_at, try_strptime(parse_filename(filename)[:22], '%Y%m%dT%H%M%S.%f')) as landed_at
    from source
)

select * from renamed
