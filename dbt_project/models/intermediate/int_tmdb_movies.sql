-- The latest document of each film that a link names, with its fields typed. TMDb writes 0 and '' for unknown.
-- A film of which TMDb last said that there is none (a tombstone) is not here. ingest/film_texts.py chooses the same
-- documents before a build: tests/warehouse/test_collected.py and test_film_texts.py hold the two equal.
with

latest as (
    select * from {{ ref('int_tmdb_documents_checked') }}
    where reason is null
    qualify row_number() over (
        partition by tmdb_id order by fetched_at desc nulls last, landed_stamp desc, document_number desc
    ) = 1
),

documents as (
    select * from latest
    where status = 'document'
),

links as (
    select
        movie_id,
        tmdb_id,
        imdb_id
    from {{ ref('int_links_checked') }}
    where reason is null and not is_surplus and tmdb_id is not null
)

select
    -- ids
    links.movie_id,
    links.tmdb_id,
    links.imdb_id,
    {{ whole_number("(document ->> '$.belongs_to_collection.id')") }} as collection_id,

    -- text
    nullif(document ->> '$.title', '') as title,
    nullif(document ->> '$.overview', '') as overview,
    nullif(document ->> '$.tagline', '') as tagline,
    nullif(document ->> '$.original_language', '') as original_language,
    document ->> '$.belongs_to_collection.name' as collection_name,
    -- a page links to it: nothing but the name of an image
    nullif(regexp_extract(document ->> '$.poster_path', '^/[A-Za-z0-9_-]+[.](jpg|png)$'), '') as poster_path,

    -- numerics
    nullif(try_cast(document ->> '$.runtime' as bigint), 0) as runtime,
    nullif(try_cast(document ->> '$.budget' as bigint), 0) as budget,
    nullif(try_cast(document ->> '$.revenue' as bigint), 0) as lookahead_revenue,
    try_cast(document ->> '$.popularity' as double) as lookahead_popularity,
    try_cast(document ->> '$.vote_average' as double) as lookahead_vote_average,
    try_cast(document ->> '$.vote_count' as bigint) as lookahead_vote_count,
    try_cast(document ->> '$.awards.nominations' as bigint) as lookahead_count_award_nominations,
    try_cast(document ->> '$.awards.wins' as bigint) as lookahead_count_award_wins,

    -- timestamps
    try_cast(document ->> '$.release_date' as date) as released_on,

    -- nested, for the bridges
    document
from links
inner join documents using (tmdb_id)
