"""NDCG@10 by who is asked and what was right: activity of the user, popularity of the film, cold films."""

from typing import Any

import numpy as np

from models.dataset import Dataset
from models.evaluation import cases
from models.evaluation.lists import Shown


def by_subgroup(shown: list[Shown], draws: dict[str, np.ndarray], data: Dataset) -> dict[str, dict[str, Any]]:
    """Subgroup to how many questions it has and the mean of each model's `draws` (draws, n) within it.

    Terciles of all questions: by ratings that the user had given, by ratings of the right film before the cut-off. A
    film with fewer than ten of these is cold.
    """
    rated = cases.rated_before(data)
    films = np.concatenate([rated.of(np.array([right[0] for right in draw.cases.targets])) for draw in shown])
    groups: dict[str, np.ndarray] = {}
    for name, values in (("user's", np.concatenate([draw.ratings for draw in shown])), ("film's", films)):
        low, high = np.quantile(values, [1 / 3, 2 / 3])
        groups[f"{name} ratings up to {low:.0f}"] = values <= low
        groups[f"{name} ratings up to {high:.0f}"] = (values > low) & (values <= high)
        groups[f"{name} ratings above {high:.0f}"] = values > high
    groups["cold films"] = films < cases.COLD_FILM
    return {
        name: {
            "questions": int(held.sum()),
            **{model: float(each.ravel()[held].mean()) for model, each in draws.items()},
        }
        for name, held in groups.items()
        if held.any()
    }
