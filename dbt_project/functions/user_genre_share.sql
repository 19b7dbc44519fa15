list_transform(genre_counts, lambda n: (n / count_ratings)::float)
