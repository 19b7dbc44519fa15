(count_ratings / days_active)::float
