{#- What a user's and a film's state is made of, for the tables of states and of their versions: a version is the same sums in
    another order, that of arrival. -#}

{#- When a rating could first be known: an archive's rating when it was given, a pushed one when it was landed. -#}
{% macro known_at(table) -%}greatest({{ table }}.rated_at, {{ table }}.landed_at){%- endmacro %}

{#- Running sums of a user's ratings along the window so_far. `is_new_day`: whether a rating is the first of its day. -#}
{% macro user_sums(is_new_day) -%}
    row_number() over so_far as n,
        sum({{ totals_weight('half_stars', is_new_day) }}) over so_far as totals
        {%- for pack in range(count_packs() | int) %},
        sum(coalesce(pack_{{ pack }}, 0) * {{ pack_weight('half_stars') }}) over so_far as pack_{{ pack }}
        {%- endfor %}
{%- endmacro %}

{#- These sums taken apart. `plus`: a macro of a column, for what they go on from. -#}
{% macro user_totals(plus) -%}
    n{{ plus('user_count_ratings') }} as n,
        {{ total_half_stars('totals') }}{{ plus('user_sum_half_stars') }} as half_stars,
        {{ total_squares('totals') }}{{ plus('user_sum_half_stars_squared') }} as half_stars_squared,
        {{ total_days('totals') }}{{ plus('user_days_active') }} as days,
        [
            {%- for genre in range(count_genres() | int) %}
            {{ packed_count(genre) }}{{ plus('user_genre_counts[' ~ (genre + 1) ~ ']') }}
            {{- ',' if not loop.last }}
            {%- endfor %}
        ]::integer[] as genre_counts,
        [
            {%- for genre in range(count_genres() | int) %}
            {{ packed_half_stars(genre) }}{{ plus('user_genre_half_stars[' ~ (genre + 1) ~ ']') }}
            {{- ',' if not loop.last }}
            {%- endfor %}
        ]::integer[] as genre_half_stars
{%- endmacro %}

{#- Sums that go on from nothing. -#}
{% macro plus_nothing(column) -%}{%- endmacro %}

{#- The columns of a user's state. -#}
{% macro user_state_columns() -%}
    n::bigint as user_count_ratings,
    {{ mean_rating('half_stars', 'n') }}::float as user_mean_rating,
    {{ std_rating('half_stars', 'half_stars_squared', 'n') }}::float as user_std_rating,
    rating as user_last_rating,
    epoch(since_previous) as user_seconds_since_previous,
    days::bigint as user_days_active,
    half_stars::bigint as user_sum_half_stars,
    half_stars_squared::bigint as user_sum_half_stars_squared,
    genre_counts as user_genre_counts,
    genre_half_stars as user_genre_half_stars
{%- endmacro %}

{#- The columns of a film's state. -#}
{% macro movie_state_columns() -%}
    n::bigint as movie_count_ratings,
    case when n > 0 then {{ mean_rating('half_stars', 'n') }}::float end as movie_mean_rating,
    case when n > 0 then {{ std_rating('half_stars', 'half_stars_squared', 'n') }}::float end as movie_std_rating,
    n_90d::bigint as movie_count_ratings_90d,
    half_stars::bigint as movie_sum_half_stars,
    half_stars_squared::bigint as movie_sum_half_stars_squared
{%- endmacro %}

{#- Where the versions of each key's states begin: at its first rating that was landed after it was given. -#}
{% macro late_starts(key, recompute) -%}
    select
        ratings.{{ key }},
        min(ratings.rated_at) as late_from
    from {{ ref('fct_ratings') }} as ratings
    inner join {{ recompute }} as recompute using ({{ key }})
    where ratings.landed_at > ratings.rated_at
    group by ratings.{{ key }}
{%- endmacro %}

{#- What columns of feedback are called, and the kind of event that each is of. -#}
{% macro feedback_names() -%}
    {{ return({'hidden': 'hide', 'watched': 'watch', 'clicked': 'click'}) }}
{%- endmacro %}
