"""The kinds of events that dbt reads, and the columns of each."""

import pyarrow as pa

RATINGS = "user_movie_rating"
FEEDBACK = "user_feedback"
FILMS = "movie_update"
SCHEMAS = {
    RATINGS: pa.schema(
        {"user_id": pa.int64(), "movie_id": pa.int64(), "rating": pa.float32(), "rated_at": pa.timestamp("us")}
    ),
    FEEDBACK: pa.schema(
        {
            "event_id": pa.string(),
            "user_id": pa.int64(),
            "movie_id": pa.int64(),
            "kind": pa.string(),
            "occurred_at": pa.timestamp("us"),
        }
    ),
    FILMS: pa.schema(
        {
            "movie_id": pa.int64(),
            "title": pa.string(),
            "release_year": pa.int64(),
            "genre_names": pa.list_(pa.string()),
            "original_language": pa.string(),
            "director_name": pa.string(),
            "certification": pa.string(),
            "is_retired": pa.bool_(),
        }
    ),
}
"""A folder below raw/events each."""
LANDED_FILE, LANDED_ROW, LANDED_AT, GIVEN = "landed_file", "landed_row", "landed_at", "given"
LANDED = pa.schema(
    {LANDED_FILE: pa.string(), LANDED_ROW: pa.int64(), LANDED_AT: pa.timestamp("us"), GIVEN: pa.string()}
)
"""What a segment keeps of each row: the pending file it came from, its place there, when it came (UTC), and of a row
with a value that its column cannot hold all that it was given, as text (foreign.py)."""
