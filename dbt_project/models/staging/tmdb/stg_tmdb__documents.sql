with

source as (
    select * from {{ source('tmdb', 'documents') }}
),

numbered as (
    select
        *,
        row_number() over () as document_number
    from source
),

renamed as (
    select
        -- ids
        document_number,
        case when json_valid(document) then try_cast(document ->> '$.id' as bigint) end as tmdb_id,

        -- text
        parse_filename(filename) as source_file,
        case when json_valid(document) then document::json end as document,
        left(document, 200) as raw,
        null::varchar as malformed_line,

        -- booleans
        coalesce(json_valid(document), false) as is_json
    from numbered
)

select * from renamed
