"""Trending: the films that are rated more of late than they used to be.

Rates by exponential decay, as counters of streams keep them (Cormode, Korn and Tirthapura, Exponentially decayed
aggregates on data streams, ICDE 2008): a short half life for what happens now, a long one for what was usual.
"""

import numpy as np

from models.config import ModelConfig
from models.recall.charts.popularity import Chart


class TrendingConfig(ModelConfig):
    """Configuration of the trending list."""

    now_days: float
    """Half life of the ratings that tell what happens now."""
    usual_days: float
    """Half life of the ratings that tell what was usual."""
    growth: float
    """How much growth counts beside popularity: 0 is popularity of late, more lifts what is new."""
    doubt: float
    """Ratings, as many as usual, that are added to both sides of the growth: steadies films with few."""


class Trending(Chart):
    """The films with most ratings of late, times how much more that is than usual, the same for everyone."""

    Config = TrendingConfig
    config: TrendingConfig

    def numbers(self, film: np.ndarray, age: np.ndarray) -> np.ndarray:
        """Ratings a day now, times growth."""
        c, m = self.config, len(self.films)
        now, usual = (
            np.bincount(film, 0.5 ** (age / half_life), m) * np.log(2) / half_life
            for half_life in (c.now_days, c.usual_days)
        )
        all_now, all_usual = now.sum(), usual.sum()
        # shares of all ratings: a busy week of the whole site is no trend
        doubt = c.doubt / len(film)
        rise = (now / all_now + doubt) / (usual / all_usual + doubt)
        return now * rise**c.growth
