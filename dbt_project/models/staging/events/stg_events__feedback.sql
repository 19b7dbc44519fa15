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
        coalesce(given, concat_ws(' | ', event_id, user_id, movie_id, kind, occurred_at)) as raw,

        -- timestamps: whole seconds, as ratings have them
        date_trunc('second', try_cast(occurred_at as timestamp)) as occurred_at,

        -- where and when it was landed: a segment says it of each row, the name of an older file of all of its rows
        coalesce(landed_file, parse_filename(filename)) as landed_file,
        coalesce(landed_row, file_row_number) as landed_row,
        coalesce(landed_at, try_strptime(parse_filename(filename)[:22], '%Y%m%dT%H%M%S.%f')) as landed_at
    from source
)

select * from renamed
