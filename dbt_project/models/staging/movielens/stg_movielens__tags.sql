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

-- of who was erased nothing goes on from here; rpt_row_accounting counts it
select renamed.* from renamed
anti join {{ ref('stg_events__erased_users') }} as erased on renamed.user_id = erased.user_id
