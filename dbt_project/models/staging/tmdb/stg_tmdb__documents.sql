-- A line is a document of `collect --from FILE`, or an answer that `collect` got: a document beside moment and status.
with

source as (
    select * from {{ source('tmdb', 'documents') }}
),

numbered as (
    select
        filename,
        document as line,
        case when json_valid(document) then document::json end as payload,
        row_number() over () as document_number
    from source
),

opened as (
    select
        *,
        coalesce(payload ->> '$.fetched_at' is not null, false) as is_answer
    from numbered
),

renamed as (
    select
        -- ids
        document_number,
        {{ whole_number("(case when is_answer then payload ->> '$.tmdb_id' else payload ->> '$.id' end)") }} as tmdb_id,

        -- text
        parse_filename(filename) as source_file,
        {{ landed_stamp('parse_filename(filename)') }} as landed_stamp,
        case when is_answer then payload ->> '$.status' else 'document' end as status,
        case when is_answer then payload -> '$.document' else payload end as document,
        left(line, 200) as raw,
        null::varchar as malformed_line,

        -- booleans
        payload is not null as is_json,

        -- timestamps
        case when is_answer then try_cast(payload ->> '$.fetched_at' as timestamp) end as fetched_at
    from opened
)

select * from renamed
