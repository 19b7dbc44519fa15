with

source as (
    select * from {{ source('movielens', 'links') }}
),

renamed as (
    select
        -- ids
        line_number,
        {{ whole_number('movie_id') }} as movie_id,
        {{ whole_number('tmdb_id') }} as tmdb_id,

        -- text
        nullif(imdb_id, '') as imdb_id,
        nullif(tmdb_id, '') as tmdb_text,
        {{ raw_row(['movie_id', 'imdb_id', 'tmdb_id']) }} as raw,
        malformed_line
    from source
)

select * from renamed
