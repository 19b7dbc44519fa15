{%- set fields = {
    'document': 'movies.is_in_tmdb', 'release date': 'movies.released_on is not null', 'overview': 'movies.overview is not null',
    'tagline': 'movies.tagline is not null',
    'runtime': 'movies.runtime is not null', 'budget': 'movies.budget is not null',
    'revenue (looks ahead)': 'movies.lookahead_revenue is not null',
    'original language': 'movies.original_language is not null', 'collection': 'movies.collection_id is not null',
    'director': 'profile.movie_director_id is not null', 'lead cast': 'profile.movie_lead_cast_ids is not null',
    'genres': 'profile.movie_genres is not null',
    'keywords': 'exists (select 1 from ' ~ ref('bridge_movie_keywords') ~ ' as k where k.movie_id = movies.movie_id)',
    'companies': 'exists (select 1 from ' ~ ref('bridge_movie_companies') ~ ' as c where c.movie_id = movies.movie_id)',
    'countries': 'exists (select 1 from ' ~ ref('bridge_movie_countries') ~ ' as c where c.movie_id = movies.movie_id)'
} %}
{%- for field, present in fields.items() %}
select
    '{{ field }}' as field,
    count(*) as count_movies,
    count(*) filter ({{ present }}) as count_present,
    count(*) filter ({{ present }}) / greatest(count(*), 1) as share_present
from {{ ref('dim_movies') }} as movies
inner join {{ ref('feat_movie_profile') }} as profile using (movie_id)
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
