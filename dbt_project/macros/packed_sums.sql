{#- A running sum over every rating is a window function, and the dearest thing in a build. What adds up to few bits
    shares one: several sums in one integer, taken apart afterwards.

    By genre: three genres to a HUGEINT, 37 bits each: the low 20 sum half stars, the 17 above them count ratings. That
    holds 104,857 ratings of one user (MovieLens' busiest has 33,332); assert_packed_sums_hold fails before it is too few.
    Of a user over all genres: 20 bits of half stars, 24 of their squares, the rest days.
    Of a film: 22 bits of ratings, 26 of half stars, the rest their squares. -#}
{% macro genres_a_pack() -%}3{%- endmacro %}
{% macro count_packs() -%}{{ (count_genres() | int + genres_a_pack() | int - 1) // genres_a_pack() | int }}{%- endmacro %}

{#- What one rating adds to pack number `pack` of a film whose genres are the bits of `mask`: this times
    pack_weight(half_stars). -#}
{% macro genre_pack(mask, pack) -%}
    {%- set first = pack * genres_a_pack() | int -%}
    {%- for genre in range(first, [first + genres_a_pack() | int, count_genres() | int] | min) -%}
    ((({{ mask }} >> {{ genre }}) & 1)::hugeint << {{ 37 * (genre - first) }}){{ ' + ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{% macro pack_weight(half_stars) -%}({{ half_stars }} + (1 << 20)){%- endmacro %}

{#- Sum of half stars, and number of ratings, of one genre in the summed columns pack_0, pack_1, ... -#}
{% macro packed_half_stars(genre) -%}
    ((pack_{{ genre // genres_a_pack() | int }} >> {{ 37 * (genre % genres_a_pack() | int) }}) & {{ 2 ** 20 - 1 }})
{%- endmacro %}

{% macro packed_count(genre) -%}
    ((pack_{{ genre // genres_a_pack() | int }} >> {{ 37 * (genre % genres_a_pack() | int) + 20 }}) & {{ 2 ** 17 - 1 }})
{%- endmacro %}

{% macro totals_weight(half_stars, is_new_day) -%}
    {{ half_stars }} + ({{ half_stars }} * {{ half_stars }} * (1::bigint << 20)) + (({{ is_new_day }})::bigint << 44)
{%- endmacro %}
{% macro total_half_stars(totals) -%}({{ totals }} & {{ 2 ** 20 - 1 }}){%- endmacro %}
{% macro total_squares(totals) -%}(({{ totals }} >> 20) & {{ 2 ** 24 - 1 }}){%- endmacro %}
{% macro total_days(totals) -%}({{ totals }} >> 44){%- endmacro %}

{% macro moment_weight(n, half_stars, squares) -%}
    {{ n }}::hugeint + ({{ half_stars }}::hugeint << 22) + ({{ squares }}::hugeint << 48)
{%- endmacro %}
{% macro moment_count(totals) -%}({{ totals }} & {{ 2 ** 22 - 1 }}){%- endmacro %}
{% macro moment_half_stars(totals) -%}(({{ totals }} >> 22) & {{ 2 ** 26 - 1 }}){%- endmacro %}
{% macro moment_squares(totals) -%}({{ totals }} >> 48){%- endmacro %}
