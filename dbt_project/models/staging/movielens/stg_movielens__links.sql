with

source as (
    select * from {{ source('movielens', 'links') }}
),

renamed as (
    select
        -- ids
        line_number,
        try_cast(movie_id as bigint) as movie_id,
        try_cast(tmdb_id as bigint) as tmdb_id,

        -- text
        nullif(imdb_id, '') as imdb_id,
        {{ raw_row(['movie_id', 'imdb_id', 'tmdb_id']) }} as raw,
        malformed_line
    from source
)

select * from renamed
