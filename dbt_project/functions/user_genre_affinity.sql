list_transform(
    genre_counts,
    lambda n, genre: ((genre_half_stars[genre] / 2.0 - n * (sum_half_stars / (2.0 * count_ratings))) / (n + 5.0))::float
)
