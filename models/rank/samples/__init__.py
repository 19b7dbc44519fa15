"""What rankers learn from: events, negatives, pairs of user and film, in shards."""
