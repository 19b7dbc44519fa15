select
    genres.genre_name,
    any_value(genres.count_movies) as count_movies,
    count(ratings.rating_id) as count_ratings,
    count(ratings.rating_id) / greatest((select count(*) from {{ ref('fct_ratings') }}), 1) as share_of_ratings
from {{ ref('dim_genres') }} as genres
left join {{ ref('bridge_movie_genres') }} as bridge using (genre_index)
left join {{ ref('fct_ratings') }} as ratings using (movie_id)
group by genres.genre_name
