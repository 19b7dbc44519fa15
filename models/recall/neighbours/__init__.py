"""Films and users that are near each other by co-ratings."""
