{#- The moment from which the state after an event may be known: one microsecond later, so that a label at the
    same second joins (with <=) to what was strictly before it, however many events share that second. -#}
{% macro known_after(column) -%}
    {{ column }} + interval 1 microsecond
{%- endmacro %}

{#- Sums of half stars are integers, so running means are exact and do not depend on the order of addition. -#}
{% macro mean_rating(half_stars, n) -%}
    ({{ half_stars }} / (2.0 * {{ n }}))
{%- endmacro %}

{% macro std_rating(half_stars, half_stars_squared, n) -%}
    (sqrt(({{ n }} * {{ half_stars_squared }} - {{ half_stars }} * {{ half_stars }})::double) / (2.0 * {{ n }}))
{%- endmacro %}

{#- The number of genres is seeds/genres.csv's, asserted by a test. -#}
{% macro count_genres() -%}20{%- endmacro %}
