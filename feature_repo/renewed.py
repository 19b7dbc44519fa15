"""Whether events renew every field of the views that they write: their formulas are kept beside those of the marts."""

from collections.abc import Iterable

from feast import FeatureView

from dbt_project.errors import CineFeastError
from feature_repo.feedback_events import ARRAYS, LAST, VIEW
from feature_repo.running import FilmTotals, UserHistory


def renewed_fields() -> dict[str, set[str]]:
    """View to the fields that an event writes, keys and timestamp included, as one made-up event tells."""
    rows = UserHistory([1], [4.0], [0]).rows(1, {1: []}) | FilmTotals(1, 8, 64, [0]).rows(1)
    return {view: set(row) for view, row in rows.items()} | {VIEW: {LAST, *ARRAYS}}


def check_renewed(views: Iterable[FeatureView]) -> None:
    """CineFeastError where an event could not be written online: a view or a formula of one of its fields is missing.

    Found when an event comes, it would be on disk and online never.
    """
    declared = {view.name: [feature.name for feature in view.features] for view in views}
    for view, fields in renewed_fields().items():
        if view not in declared:
            raise CineFeastError(f"there is no view {view}, which events renew", "cd feature_repo && feast apply")
        forgotten = [name for name in declared[view] if name not in fields]
        if forgotten:
            place = "feedback_events.py" if view == VIEW else "running.py"
            raise CineFeastError(
                f"events renew view {view}, but there is no formula of {', '.join(forgotten)} for them",
                f"write it into feature_repo/{place}, as the mart has it",
            )
