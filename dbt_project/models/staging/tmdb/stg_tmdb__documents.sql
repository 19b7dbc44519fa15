-- A line is a document of `collect --from FILE`, or an answer that `collect` got: a document beside moment and status.
with

source as (
    select * from {{ source('tmdb', 'documents') }}
),

numbered as (
    select
        filename,
        document as line,
        case when json_valid(document) then document::json end as told,
        row_number() over () as document_number
    from source
),

opened as (
    select
        *,
        coalesce(told ->> '$.fetched_at' is not null, false) as is_answer
    from numbered
),

renamed as (
    select
        -- ids
        document_number,
        try_cast(case when is_answer then told ->> '$.tmdb_id' else told ->> '$.id' end as bigint) as tmdb_id,

        -- text
        parse_filename(filename) as source_file,
        case when is_answer then told ->> '$.status' else 'document' end as status,
        case when is_answer then told -> '$.document' else told end as document,
        left(line, 200) as raw,
        null::varchar as malformed_line,

        -- booleans
        told is not null as is_json,

        -- timestamps
        case when is_answer then try_cast(told ->> '$.fetched_at' as timestamp) end as fetched_at
    from opened
)

select * from renamed
