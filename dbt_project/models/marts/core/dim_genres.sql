select
    genre_index::bigint as genre_index,
    genre_name,
    count(movie_id) as count_movies
from {{ ref('genres') }}
left join {{ ref('int_movie_genres') }} using (genre_index, genre_name)
group by genre_index, genre_name
