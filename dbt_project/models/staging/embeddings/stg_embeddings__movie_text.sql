with

source as (
    select * from {{ source('embeddings', 'movie_text') }}
),

renamed as (
    select
        -- ids
        movie_id::bigint as movie_id,

        -- text
        model,
        text_hash,

        -- numerics
        dimensions,
        embedding
    from source
)

select * from renamed
