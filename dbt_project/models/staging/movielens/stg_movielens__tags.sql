with

source as (
    select * from {{ source('movielens', 'tags') }}
),

renamed as (
    select
        -- ids
        line_number as tag_id,
        {{ whole_number('user_id') }} as user_id,
        {{ whole_number('movie_id') }} as movie_id,

        -- text
        nullif(trim(tag), '') as tag,
        {{ raw_row(['user_id', 'movie_id', 'tag', '"timestamp"']) }} as raw,
        malformed_line,

        -- timestamps
        {{ moment_of_seconds('timestamp') }} as tagged_at
    from source
)

select * from renamed
