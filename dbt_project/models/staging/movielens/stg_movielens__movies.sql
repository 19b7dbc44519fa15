with

source as (
    select * from {{ source('movielens', 'movies') }}
),

renamed as (
    select
        -- ids
        line_number,
        {{ whole_number('movie_id') }} as movie_id,

        -- text
        {{ plain_title('title') }} as title,
        string_split(genres, '|') as genre_names,
        {{ raw_row(['movie_id', 'title', 'genres']) }} as raw,
        malformed_line,

        -- numerics
        coalesce(
            try_cast(release_year as integer),
            try_cast(nullif(regexp_extract(title, '\((\d{4})\)\s*$', 1), '') as integer)
        ) as release_year
    from source
)

select * from renamed
