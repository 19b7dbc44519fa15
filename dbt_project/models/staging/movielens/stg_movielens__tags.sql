with

source as (
    select * from {{ source('movielens', 'tags') }}
),

renamed as (
    select
        -- ids
        line_number as tag_id,
        try_cast(user_id as bigint) as user_id,
        try_cast(movie_id as bigint) as movie_id,

        -- text
        nullif(trim(tag), '') as tag,
        {{ raw_row(['user_id', 'movie_id', 'tag', '"timestamp"']) }} as raw,
        malformed_line,

        -- timestamps
        case
            when try_cast(timestamp as double) between 0 and 4102444800
                then make_timestamp(try_cast(timestamp as double)::bigint * 1000000)
        end as tagged_at
    from source
)

select * from renamed
