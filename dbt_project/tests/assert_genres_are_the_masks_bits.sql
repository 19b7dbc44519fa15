-- macros/point_in_time.sql counts the genres that seeds/genres.csv names, and their ids are 0, 1, 2, ...
select
    count(*) as count_genres,
    max(genre_index) as last_index
from {{ ref('genres') }}
having count(*) <> {{ count_genres() }} or max(genre_index) <> {{ count_genres() }} - 1
