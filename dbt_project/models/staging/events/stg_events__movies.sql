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

        -- where it was landed
        parse_filename(filename) as landed_file,
        file_row_number as landed_row
    from source
)

select * from renamed
