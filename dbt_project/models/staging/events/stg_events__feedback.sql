with

source as (
    select * from {{ source('events', 'user_feedback') }}
),

renamed as (
    select
        -- ids
        event_id,
        user_id,
        movie_id,

        -- text
        kind,

        -- timestamps: whole seconds, as ratings have them
        date_trunc('second', occurred_at::timestamp) as occurred_at,

        -- where it was landed
        parse_filename(filename) as landed_file,
        file_row_number as landed_row
    from source
)

select * from renamed
