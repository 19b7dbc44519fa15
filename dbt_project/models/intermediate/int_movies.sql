-- The archive's films and those that were added since. A change tells some fields of a film; of each field the latest
-- change counts that tells it, and the others stay as they were. feature_repo/feedback_events.py merges in the same way
-- what the online features are told at once: tests/features/test_events.py holds the two equal.
with

archive as (
    select * from {{ ref('int_movies_checked') }} where reason is null
),

changes as (
    select
        movie_id
        {%- for field in ('title', 'release_year', 'genre_names', 'original_language', 'director_name') %},
        {%- set is_told = 'len(genre_names) > 0' if field == 'genre_names' else field ~ ' is not null' %}
        arg_max({{ field }}, line_number) filter ({{ is_told }}) as {{ field }}
        {%- endfor %}
    from {{ ref('int_movie_changes_checked') }}
    where reason is null
    group by movie_id
)

select
    movie_id,
    coalesce(changes.title, archive.title) as title,
    coalesce(changes.genre_names, archive.genre_names) as genre_names,
    changes.original_language,
    changes.director_name,
    coalesce(changes.release_year, archive.release_year) as release_year,
    changes.genre_names is not null as has_changed_genres
from archive
full join changes using (movie_id)
