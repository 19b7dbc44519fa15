"""Why a film is in a list."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.columns import ragged
from models.recall.neighbours.item_cf import ItemCF
from models.two_stage import TwoStage
from serving.pipeline.catalogue import Film, FilmCatalogue, real_names, title_of
from serving.pipeline.rerank import RankedItem
from serving.pipeline.user_context import UserContext
from serving.schemas.responses import Film as FilmName
from serving.schemas.responses import Reasons

WINDOW = 50
LIKED, DISLIKED = 3.5, 2.0
"""Stars from which a film counts as liked, and those up to which it never does, whatever the user's mean."""
NEAR = 0.3
"""Cosine from which a film of the user counts as why another is there."""


def reasons(
    placed: Sequence[RankedItem], context: UserContext, films: FilmCatalogue, models: TwoStage
) -> list[Reasons]:
    """The reasons of each film of a list."""
    watched = liked(context, films)[-WINDOW:]
    history = [film for movie in watched if (film := films.get(int(movie)))]
    ids = np.array([film.movie_id for film in placed], np.int64)
    return [
        Reasons(
            channels=one.channels,
            because_you_watched=[FilmName(movie_id=i, title=title_of(films.get(i))) for i in led],
            **shared(films.get(one.movie_id), history),
            score_parts=one.parts,
            rules=one.rules,
        )
        for one, led in zip(placed, because(context, watched, ids, films, models), strict=True)
    ]


def liked(context: UserContext, films: FilmCatalogue) -> np.ndarray:
    """Films with a title that somebody liked: 3.5 stars or their own mean, and above, by the last rating of each."""
    movies, stars = context.films("user_seen_movie_ids"), ragged(context.row, "user_seen_ratings")[0]
    last: dict[int, float] = {}
    for movie, rating in zip(movies.tolist(), stars.tolist(), strict=True):
        last.pop(movie, None)
        last[movie] = rating
    mean = float(np.mean(stars)) if len(stars) else LIKED
    enough = [
        movie
        for movie, rating in last.items()
        if (rating >= LIKED or DISLIKED < rating >= mean) and title_of(films.get(movie))
    ]
    return np.array(enough, np.int64)


def because(
    context: UserContext, watched: np.ndarray, ids: np.ndarray, films: FilmCatalogue, models: TwoStage
) -> list[list[int]]:
    """For each film those of the films watched that speak most for it: by co-ratings, or else by their vectors."""
    item_cf = next((c for c in models.channels.values() if isinstance(c, ItemCF)), None)
    found = item_cf.contributors(context.row, ids, watched) if item_cf and len(watched) else [[] for _ in ids]
    rows, seen = films.ids.rows(ids), films.ids.rows(watched)
    seen = seen[seen >= 0]
    if len(seen):
        near = films.vectors[rows] @ films.vectors[seen].T
        for place, speakers in enumerate(found):
            if not speakers and (best := int(near[place].argmax())) >= 0 and near[place, best] > NEAR:
                found[place] = [int(films.ids.values[seen[best]])]
    return found


def shared(film: Film, history: list[Film]) -> dict[str, Any]:
    """What a film has in common with films that were liked: director, cast, and genres that a third of them have."""
    directors = real_names([film.get("movie_director_name")])
    known = {seen.get("movie_director_name") for seen in history}
    actors = {name for seen in history for name in seen.get("movie_lead_cast_names") or []}
    genres = [
        name
        for name in film.get("movie_genre_names") or []
        if history and sum(name in (seen.get("movie_genre_names") or []) for seen in history) * 3 >= len(history)
    ]
    return {
        "shared_director": next((name for name in directors if name in known), None),
        "shared_cast": [name for name in real_names(film.get("movie_lead_cast_names") or []) if name in actors],
        "shared_genres": genres,
    }
