with

source as (
    select * from {{ source('events', 'user_movie_rating') }}
),

renamed as (
    select
        -- ids
        {{ whole_number('user_id::varchar') }} as user_id,
        {{ whole_number('movie_id::varchar') }} as movie_id,

        -- numerics
        try_cast(rating as float) as rating,

        -- timestamps: whole seconds, as MovieLens has them
        date_trunc('second', try_cast(rated_at as timestamp)) as rated_at,

        -- where it was landed
        parse_filename(filename) as landed_file,
        file_row_number as landed_row
    from source
)

select * from renamed
