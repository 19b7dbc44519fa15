{#- A hash of landed ratings, whatever their order and the segments they lie in. -#}
{% macro rows_hash() -%}
    bit_xor(hash(landed_row, user_id, movie_id, rating, rated_at))
{%- endmacro %}
