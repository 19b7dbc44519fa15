"""One contract of an event: what HTTP takes, dbt takes, and what one refuses the other refuses, for the same reason."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from dbt_project.event_contract import AHEAD, EARLIEST, rating_problem
from dbt_project.events.schemas import RATINGS, SCHEMAS
from serving.rules.models import ItemFilter
from serving.schemas.events import Event, FilmChange

NOW = datetime.now(UTC)
GOOD = {"user_id": 1, "movie_id": 2, "rating": 4.5, "occurred_at": NOW}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"user_id": 0, "movie_id": 2**63 - 1}, None),
        ({"user_id": -1}, "user id is below 0"),
        ({"movie_id": -1}, "movie id is below 0"),
        *(({"rating": stars}, None) for stars in (0.5, 1.0, 5.0)),
        *(({"rating": stars}, "rating is not between 0.5 and 5") for stars in (0.0, -1.0, 5.5, 1e10, float("inf"))),
        *(({"rating": stars}, "rating is not in steps of half a star") for stars in (4.2, 0.75)),
        ({"rating": float("nan")}, "rating is not a number"),
        ({"occurred_at": EARLIEST}, None),
        ({"occurred_at": EARLIEST - timedelta(seconds=1)}, "timestamp is before 1995-01-01"),
        ({"occurred_at": datetime(1, 1, 2, tzinfo=UTC)}, "timestamp is before 1995-01-01"),
        ({"occurred_at": datetime(1965, 3, 1, tzinfo=UTC)}, "timestamp is before 1995-01-01"),
        ({"occurred_at": NOW + AHEAD - timedelta(seconds=1)}, None),
        ({"occurred_at": NOW + AHEAD + timedelta(days=1)}, "timestamp is in the future"),
        ({"occurred_at": datetime(9999, 12, 31, tzinfo=UTC)}, "timestamp is in the future"),
    ],
)
def test_http_takes_what_dbt_takes(change: dict[str, Any], reason: str | None) -> None:
    row = GOOD | change
    rated_at = row["occurred_at"].replace(tzinfo=None)
    rating = {name: row[name] for name in ("user_id", "movie_id", "rating")} | {"rated_at": rated_at}
    found = rating_problem(pa.Table.from_pylist([rating], SCHEMAS[RATINGS]))
    assert found == (reason and (0, reason))
    body = row | {"event_id": "a", "kind": "rating"}
    if reason is None:
        assert Event.model_validate(body).occurred_at == row["occurred_at"]
    else:
        with pytest.raises(ValidationError):
            Event.model_validate(body)


def test_genres_are_named_as_features_name_them_or_refused() -> None:
    change = FilmChange(title="A", genre_names=["Science Fiction", "family", "DRAMA", "TV Movie"])
    assert change.genre_names == ["Children", "Drama", "Sci-Fi"]
    assert ItemFilter(genres=frozenset({"drama", "Music"})).genres == {"Drama", "Musical"}
    with pytest.raises(ValidationError, match="no genre is called 'Space Opera'; known: Action, Adventure"):
        FilmChange(title="A", genre_names=["Drama", "Space Opera"])
    with pytest.raises(ValidationError, match="no genre is called 'Dramas'"):
        ItemFilter(genres=frozenset({"Dramas"}))
    with pytest.raises(ValidationError, match="'unknown' names no genre"):
        ItemFilter(genres=frozenset({"unknown"}))


@pytest.mark.parametrize("title", ["", "  ", "\u00a0", "two\nlines"])
def test_a_title_says_something(title: str) -> None:
    with pytest.raises(ValidationError):
        FilmChange(title=title)
