select
    movie_id,
    keyword_id
from {{ ref('int_movie_keywords') }}
