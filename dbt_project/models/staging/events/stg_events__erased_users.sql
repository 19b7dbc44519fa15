with

source as (
    select * from {{ source('events', 'erased_user') }}
)

select user_id::bigint as user_id from source
