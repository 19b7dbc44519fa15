{#- Rules that Python follows as well, before a build or without one: dbt_project/sql_macros.py reads them here. They use
    no more of Jinja than any Jinja has. -#}

{#- A number that stands for something: written with digits alone, as the number itself is written. So 3e2, 0x12c, 7.5,
    9001.0, 1_000, 007 and a number beside a blank are none. dbt_project/whole_numbers.py reads the same. -#}
{% macro whole_number(text) -%}
    case when try_cast({{ text }} as bigint)::varchar = {{ text }} then try_cast({{ text }} as bigint) end
{%- endmacro %}

{#- A title without its year, as it is told: "Matrix, The (1999)" is "The Matrix", and so is
    "City of Lost Children, The (Cité des enfants perdus, La) (1995)" turned round. -#}
{% macro plain_title(title) -%}
    regexp_replace(
        trim(regexp_replace({{ title }}, '\s*\(\d{4}\)\s*$', '')), '^(.*?), (The|A|An)((?: \(.*\))?)$', '\2 \1\3'
    )
{%- endmacro %}

{#- How many actors of a film, in the order of the credits, are its leads. -#}
{% macro count_leads() -%}5{%- endmacro %}

{#- The first moment of validation and that of test: 80% of all ratings come before the one, 90% before the other. -#}
{% macro split_moments(moment) -%}quantile_disc({{ moment }}, [0.8, 0.9]){%- endmacro %}

{#- A moment of an archive, in seconds since 1970; a fraction of a second is cut off, as it is of an event. -#}
{% macro moment_of_seconds(text) -%}
    case
        when try_cast({{ text }} as double) between -1e11 and 1e11
            then make_timestamp(floor(try_cast({{ text }} as double))::bigint * 1000000)
    end
{%- endmacro %}

{#- The contract of an event. Nothing can have happened before there was a catalogue: the first rating of any MovieLens is
    of 1995-01-09. The clock of a sender may be a little ahead. -#}
{% macro earliest_moment() -%}1995-01-01{%- endmacro %}
{% macro minutes_ahead() -%}5{%- endmacro %}
{% macro earliest_year() -%}1870{%- endmacro %}
{% macro latest_year() -%}2100{%- endmacro %}
{% macro feedback_kinds() -%}'watch', 'click', 'hide'{%- endmacro %}

{#- Each of these tells why a row can be none, null where it can. `arrived` is when the row came in. -#}
{% macro id_problem(id, entity) -%}
    case
        when {{ id }} is null then '{{ entity }} id is not a whole number'
        when {{ id }} < 0 then '{{ entity }} id is below 0'
    end
{%- endmacro %}

{% macro moment_problem(moment, arrived) -%}
    case
        when {{ moment }} is null then 'timestamp is not in seconds since 1970'
        when {{ moment }} < timestamp '{{ earliest_moment() }}' then 'timestamp is before {{ earliest_moment() }}'
        when {{ moment }} > {{ arrived }} + interval {{ minutes_ahead() }} minute then 'timestamp is in the future'
    end
{%- endmacro %}

{% macro stars_problem(rating) -%}
    case
        when {{ rating }} is null or isnan({{ rating }}) then 'rating is not a number'
        when {{ rating }} not between 0.5 and 5 then 'rating is not between 0.5 and 5'
        when {{ rating }} * 2 <> floor({{ rating }} * 2) then 'rating is not in steps of half a star'
    end
{%- endmacro %}

{% macro rating_problem(user_id, movie_id, rating, moment, arrived) -%}
    coalesce(
        {{ id_problem(user_id, 'user') }},
        {{ id_problem(movie_id, 'movie') }},
        {{ stars_problem(rating) }},
        {{ moment_problem(moment, arrived) }}
    )
{%- endmacro %}

{% macro feedback_problem(event_id, user_id, movie_id, kind, moment, arrived) -%}
    coalesce(
        case when coalesce({{ event_id }}, '') = '' then 'event has no id' end,
        {{ id_problem(user_id, 'user') }},
        {{ id_problem(movie_id, 'movie') }},
        case when coalesce({{ kind }} not in ({{ feedback_kinds() }}), true) then 'kind is not known' end,
        {{ moment_problem(moment, arrived) }}
    )
{%- endmacro %}

{#- Now, in UTC, as the moments of events are. It is asked for where rows are checked, never earlier: what came in while a
    build runs is not in its future. -#}
{% macro this_moment() -%}(now() at time zone 'UTC'){%- endmacro %}

{#- When a row came in, by which it is judged whether it was in the future: the same in every build, an append or not. An
    archive does not say. -#}
{% macro arrived_at(landed_at) -%}coalesce({{ landed_at }}, {{ this_moment() }}){%- endmacro %}

{#- When a landed file of documents came in, as its name tells: '' of one without a moment, which comes first. -#}
{% macro landed_stamp(file) -%}regexp_extract({{ file }}, '^from-(\d{8}T\d{6}\.\d{6})-', 1){%- endmacro %}
