with

source as (
    select * from {{ source('movielens', 'ratings') }}
),

renamed as (
    select
        -- ids
        line_number as rating_id,
        try_cast(user_id as bigint) as user_id,
        try_cast(movie_id as bigint) as movie_id,

        -- numerics
        try_cast(rating as float) as rating,
        try_cast(try_cast(rating as double) * 2 as integer) as half_stars,

        -- timestamps
        case
            when try_cast(timestamp as double) between 0 and 4102444800
                then make_timestamp(try_cast(timestamp as double)::bigint * 1000000)
        end as rated_at,

        -- text
        {{ raw_row(['user_id', 'movie_id', 'rating', '"timestamp"']) }} as raw,
        malformed_line
    from source
)

select * from renamed
