with

source as (
    select * from {{ source('movielens', 'ratings') }}
),

renamed as (
    select
        -- ids
        line_number as rating_id,
        {{ whole_number('user_id') }} as user_id,
        {{ whole_number('movie_id') }} as movie_id,

        -- numerics
        try_cast(rating as float) as rating,
        try_cast(try_cast(rating as double) * 2 as integer) as half_stars,

        -- timestamps
        {{ moment_of_seconds('timestamp') }} as rated_at,

        -- text
        {{ raw_row(['user_id', 'movie_id', 'rating', '"timestamp"']) }} as raw,
        malformed_line
    from source
)

-- of who was erased nothing goes on from here; rpt_row_accounting counts it
select renamed.* from renamed
anti join {{ ref('stg_events__erased_users') }} as erased on renamed.user_id = erased.user_id
