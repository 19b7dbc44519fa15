{{ config(materialized='table') }}

with

bounds as (
    select
        coalesce(min(rated_on), date '1995-01-01') as first_day,
        coalesce(max(rated_on), date '1995-01-01') as last_day
    from {{ ref('fct_ratings') }}
),

tag_bounds as (
    select
        min(tagged_on) as first_day,
        max(tagged_on) as last_day
    from {{ ref('fct_tags') }}
),

days as (
    select unnest(generate_series(
        least(bounds.first_day, tag_bounds.first_day)::timestamp,
        greatest(bounds.last_day, tag_bounds.last_day)::timestamp,
        interval 1 day
    ))::date as date_day
    from bounds, tag_bounds
)

select
    date_day,
    year(date_day) as year,
    quarter(date_day) as quarter,
    month(date_day) as month,
    weekofyear(date_day) as iso_week,
    isodow(date_day) as iso_weekday,
    isodow(date_day) >= 6 as is_weekend
from days
