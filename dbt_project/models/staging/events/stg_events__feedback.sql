with

source as (
    select * from {{ source('events', 'user_feedback') }}
),

renamed as (
    select
        -- ids
        event_id,
        {{ whole_number('user_id::varchar') }} as user_id,
        {{ whole_number('movie_id::varchar') }} as movie_id,

        -- text
        kind,
        concat_ws(' | ', event_id, user_id, movie_id, kind, occurred_at) as raw,

        -- timestamps: whole seconds, as ratings have them
        date_trunc('second', try_cast(occurred_at as timestamp)) as occurred_at,

        -- where it was landed
        parse_filename(filename) as landed_file,
        file_row_number as landed_row
    from source
)

select * from renamed
