-- every vector has as many numbers as the others, none of them null or NaN, and length 1
with

lengths as (
    select
        movie_id,
        len(movie_text_embedding) as dimensions,
        list_count(movie_text_embedding) as count_numbers,
        sqrt(list_sum(list_transform(movie_text_embedding, lambda x: x::double * x))) as length
    from {{ ref('feat_movie_text') }}
)

select * from lengths
where
    dimensions <> (select min(others.dimensions) from lengths as others)
    or count_numbers <> dimensions
    or not coalesce(abs(length - 1) < 1e-3, false)
