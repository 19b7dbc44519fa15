with

source as (
    select * from {{ source('events', 'user_movie_rating') }}
),

renamed as (
    select
        -- ids
        {{ whole_number('user_id::varchar') }} as user_id,
        {{ whole_number('movie_id::varchar') }} as movie_id,

        -- text: a row of other hands as it was, where a value of it could not be read
        given,

        -- numerics
        try_cast(rating as float) as rating,

        -- timestamps: whole seconds, as MovieLens has them
        date_trunc('second', try_cast(rated_at as timestamp)) as rated_at,

        -- where and when it was landed: a segment says it of each row, the name of an older file of all of its rows
        coalesce(landed_file, parse_filename(filename)) as landed_file,
        coalesce(landed_row, file_row_number) as landed_row,
        coalesce(landed_at, try_strptime(parse_filename(filename)[:22], '%Y%m%dT%H%M%S.%f')) as landed_at
    from source
)

select * from renamed
