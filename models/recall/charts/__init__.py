"""What most rated: over all time, lately, by genre."""
