with

source as (
    select * from {{ source('movielens', 'users') }}
),

renamed as (
    select
        -- ids
        line_number,
        {{ whole_number('user_id') }} as user_id,

        -- numerics
        try_cast(age as bigint) as age,

        -- text
        nullif(gender, '') as gender,
        nullif(occupation, '') as occupation,
        nullif(zip_code, '') as zip_code,
        {{ raw_row(['user_id', 'gender', 'age', 'occupation', 'zip_code']) }} as raw,
        malformed_line
    from source
)

-- of who was erased nothing goes on from here; rpt_row_accounting counts it
select renamed.* from renamed
anti join {{ ref('stg_events__erased_users') }} as erased on renamed.user_id = erased.user_id
