"""What only a request knows: its moment, and what recall says of a candidate. Behind the view `request_context`."""

import numpy as np
import pandas as pd

from feature_repo.affinity import DAY, floats, is_list

HOUR = 3600


def request_features(inputs: pd.DataFrame) -> pd.DataFrame:
    """The moment as hour and weekday (0 is Monday), UTC, and days since the last rating; recall's ranks as weights.

    `inputs` holds asked_at (seconds since 1970), user_seen_timestamps (oldest first), recall_place (1 for the first of
    the merged list, 0 for a film that is not on it), recall_ranks and recall_scores (a number a channel; rank 0 where
    the channel did not name the film). A rank r weighs 10 / (10 + r), and 0 where there is none.
    """
    last = [value[-1] if is_list(value) else None for value in inputs["user_seen_timestamps"]]
    return pd.DataFrame(
        request_time(floats(inputs["asked_at"]), floats(last))
        | {
            "recall_weight": rank_weight(floats(inputs["recall_place"])),
            "recall_channel_weights": [
                rank_weight(np.asarray(ranks, np.float64)) if is_list(ranks) else [] for ranks in inputs["recall_ranks"]
            ],
            "recall_channel_scores": [
                np.asarray(scores, np.float64) if is_list(scores) else [] for scores in inputs["recall_scores"]
            ],
        }
    )


def request_time(asked: np.ndarray, last: np.ndarray) -> dict[str, np.ndarray]:
    """The moment of questions (n,) by users who rated `last` (n,), both in seconds since 1970, NaN for never."""
    return {
        "request_hour": asked // HOUR % 24,
        "request_weekday": (asked // DAY + 3) % 7,  # 1970 began on a Thursday
        "request_gap_days": (asked - last) / DAY,
    }


def rank_weight(ranks: np.ndarray) -> np.ndarray:
    """10 / (10 + rank), 0 for rank 0."""
    return np.where(ranks > 0, 10.0 / (10.0 + ranks), 0.0)
