"""Are rows online of a moment to come? One such row freezes the features of its user or film."""

from typing import TYPE_CHECKING

from feature_repo.online_store.ahead import rows_ahead
from serving.doctor.checks import Check
from serving.features.reader import ONLINE_ERRORS, unavailable

if TYPE_CHECKING:
    from feast import FeatureStore

MEND = "cinefeast mend-online"


def ahead_check(store: "FeatureStore") -> Check:
    """Wrong where there are."""
    try:
        found = rows_ahead(store)
    except ONLINE_ERRORS as error:
        raise unavailable(error) from error
    if not found:
        return Check("ahead", "ok", "no row online is of a moment to come")
    counts = ", ".join(f"{len(keys):,} of {view.name}" for view, keys in found)
    return Check(
        "ahead", "wrong", f"rows online are of a moment to come, so that nothing replaces them: {counts}", MEND
    )
