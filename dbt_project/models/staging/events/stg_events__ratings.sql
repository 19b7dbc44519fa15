with

source as (
    select * from {{ source('events', 'user_movie_rating') }}
),

renamed as (
    select
        -- ids
        user_id,
        movie_id,

        -- numerics
        rating::float as rating,

        -- timestamps: whole seconds, as MovieLens has them
        date_trunc('second', rated_at::timestamp) as rated_at,

        -- where it was landed
        parse_filename(filename) as landed_file,
        file_row_number as landed_row
    from source
)

select * from renamed
