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
        concat_ws(' | ', movie_id, title, release_year, genre_names) as raw,

        -- numerics
        try_cast(release_year as bigint) as release_year,

        -- booleans
        coalesce(is_retired, false) as is_retired,

        -- where it was landed
        parse_filename(filename) as landed_file,
        file_row_number as landed_row
    from source
)

select * from renamed
