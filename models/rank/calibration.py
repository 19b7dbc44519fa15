"""From a ranker's score to the probability that the film is the one watched: isotonic regression, on held-out groups.

Zadrozny and Elkan, Transforming classifier scores into accurate multiclass probability estimates (KDD 2002).
"""

import numpy as np

LEAST = 1e-4
"""No probability is nearer to 0 or 1 than this: nothing is certain that was seen a few thousand times."""


class Calibration:
    """A rising curve through points; scores between them are interpolated, beyond them they are at its ends."""

    def __init__(self) -> None:
        self.scores = np.array([0.0], np.float32)
        self.shares = np.array([0.5], np.float32)

    def fit(self, scores: np.ndarray, labels: np.ndarray) -> None:
        """Learn the curve from scores and labels (n,) of 0 and 1; without any it stays at one half."""
        from sklearn.isotonic import IsotonicRegression

        if len(scores):
            curve = IsotonicRegression(y_min=LEAST, y_max=1 - LEAST, out_of_bounds="clip").fit(scores, labels)
            self.scores = curve.X_thresholds_.astype(np.float32)
            self.shares = curve.y_thresholds_.astype(np.float32)

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities (n,) of scores (n,)."""
        return np.interp(scores, self.scores, self.shares)

    def tensors(self) -> dict[str, np.ndarray]:
        """The curve, for the artifact."""
        return {"calibration.scores": self.scores, "calibration.shares": self.shares}

    def restore(self, tensors: dict[str, np.ndarray]) -> None:
        """Take it back."""
        self.scores, self.shares = tensors["calibration.scores"], tensors["calibration.shares"]
