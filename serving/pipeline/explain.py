"""Why a film is in a list."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.recall.neighbours.item_cf import ItemCF
from models.two_stage import TwoStage
from serving.pipeline.catalogue import Film, FilmCatalogue
from serving.pipeline.rerank import RankedItem
from serving.pipeline.user_context import UserContext
from serving.schemas.responses import Film as FilmName
from serving.schemas.responses import Reasons

WINDOW = 50
NEAR = 0.3
"""Cosine from which a film of the user counts as why another is there."""


def reasons(
    placed: Sequence[RankedItem], context: UserContext, films: FilmCatalogue, models: TwoStage
) -> list[Reasons]:
    """The reasons of each film of a list."""
    watched = context.films("user_seen_movie_ids")[-WINDOW:]
    history = [film for movie in watched if (film := films.get(int(movie)))]
    ids = np.array([film.movie_id for film in placed], np.int64)
    return [
        Reasons(
            channels=one.channels,
            because_you_watched=[FilmName(movie_id=i, title=films.get(i).get("movie_title")) for i in led],
            **shared(films.get(one.movie_id), history),
            score_parts=one.parts,
            rules=one.rules,
        )
        for one, led in zip(placed, because(context, watched, ids, films, models), strict=True)
    ]


def because(
    context: UserContext, watched: np.ndarray, ids: np.ndarray, films: FilmCatalogue, models: TwoStage
) -> list[list[int]]:
    """For each film the films of the user that speak most for it: by co-ratings, or else by their vectors."""
    item_cf = next((c for c in models.channels.values() if isinstance(c, ItemCF)), None)
    found = item_cf.contributors(context.row, ids) if item_cf and len(watched) else [[] for _ in ids]
    rows, seen = films.ids.rows(ids), films.ids.rows(watched)
    seen = seen[seen >= 0]
    if len(seen):
        near = films.vectors[rows] @ films.vectors[seen].T
        for place, speakers in enumerate(found):
            if not speakers and (best := int(near[place].argmax())) >= 0 and near[place, best] > NEAR:
                found[place] = [int(films.ids.values[seen[best]])]
    return found


def shared(film: Film, history: list[Film]) -> dict[str, Any]:
    """What a film has in common with the films watched: director, cast, and genres that a third of them have."""
    director = film.get("movie_director_name")
    actors = {name for seen in history for name in seen.get("movie_lead_cast_names") or []}
    genres = [
        name
        for name in film.get("movie_genre_names") or []
        if history and sum(name in (seen.get("movie_genre_names") or []) for seen in history) * 3 >= len(history)
    ]
    knows = director is not None and any(seen.get("movie_director_name") == director for seen in history)
    return {
        "shared_director": director if knows else None,
        "shared_cast": [name for name in film.get("movie_lead_cast_names") or [] if name in actors],
        "shared_genres": genres,
    }
