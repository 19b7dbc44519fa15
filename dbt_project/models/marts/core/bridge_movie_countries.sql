select
    movie_id,
    country_id
from {{ ref('int_movie_countries') }}
