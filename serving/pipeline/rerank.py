"""From scored candidates to a list: the rules, in one place that every list passes through."""

from dataclasses import dataclass, field

import numpy as np

from serving.pipeline.catalogue import FilmCatalogue
from serving.rules.models import RuleSettings


@dataclass(frozen=True)
class RankedCandidates:
    """Candidates (c,), best first, -1 for none."""

    ids: np.ndarray
    scores: np.ndarray
    ranks: dict[str, np.ndarray]
    """Channel to its rank (c,) of each candidate, 0 where it did not name it."""


@dataclass(frozen=True)
class RankedItem:
    """One film of the list."""

    movie_id: int
    score: float | None
    """The model's; None for a film that no model brought."""
    channels: dict[str, int]
    parts: dict[str, float]
    """What its place comes from: relevance, boost, clicked, likeness to films above."""
    rules: list[str]
    """Rules that moved it."""


@dataclass(frozen=True)
class ListConstraints:
    """What a list is to obey beside the settings."""

    n: int
    excluded_ids: np.ndarray
    """Films that must not be in it."""
    clicked: np.ndarray
    device: str | None = None
    seed: int = 0
    """Of what exploration draws."""


@dataclass
class RankedList:
    """The list, and what there is to say of it."""

    films: list[RankedItem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def apply_rules(
    ranked: RankedCandidates, settings: RuleSettings, films: FilmCatalogue, wanted: ListConstraints
) -> RankedList:
    """The list of at most `wanted.n` films that the rules make of the candidates."""
    of_candidates = films.ids.rows(ranked.ids)
    hidden, notes = hard_filters(of_candidates[of_candidates >= 0], settings, films, wanted)
    places = np.flatnonzero((of_candidates >= 0) & ~hidden[of_candidates] & np.isfinite(ranked.scores))
    rows = of_candidates[places]
    parts = {
        "relevance": relevance(ranked.scores[places]),
        "boost": boosts(rows, settings, films, wanted.device),
        "clicked": settings.clicked * films.likeness(rows, known(films, wanted.clicked)),
    }
    pins = {pin.place: int(films.ids.rows(np.array([pin.movie_id]))[0]) for pin in settings.pins}
    pins = {place: row for place, row in pins.items() if row >= 0 and not hidden[row]}
    chosen = choose(rows, parts, pins, settings, films, wanted)
    at = dict(zip(rows.tolist(), places.tolist(), strict=True))
    result = RankedList(notes=notes)
    for row, rules, score_parts in chosen:
        place = at.get(row)
        ranks = {} if place is None else {name: int(r[place]) for name, r in ranked.ranks.items() if r[place] > 0}
        score = None if place is None else float(ranked.scores[place])
        result.films.append(RankedItem(int(films.ids.values[row]), score, ranks, score_parts, rules))
    if len(rows) and len(chosen) < min(wanted.n, len(rows)):
        notes.append(f"caps left {len(chosen)} films of {wanted.n}")
    return result


def hard_filters(
    rows: np.ndarray, settings: RuleSettings, films: FilmCatalogue, wanted: ListConstraints
) -> tuple[np.ndarray, list[str]]:
    """Which rows of the films (m,) no list may show, and a note where that leaves none of the candidates' rows (c,)."""
    named = [*settings.hide, *settings.boosts]
    unknown = films.unknown_genres(sorted({genre for item_filter in named for genre in item_filter.genres}))
    notes = [f"no film has the genre {genre}, which a rule names" for genre in unknown]
    hidden = np.zeros(len(films.ids), bool)
    hidden[known(films, np.concatenate([wanted.excluded_ids, films.withheld]))] = True
    for number, item_filter in enumerate(settings.hide):
        before = not hidden[rows].all()
        hidden |= films.fitting(item_filter)
        if before and hidden[rows].all():
            as_given = item_filter.model_dump_json(exclude_unset=True)
            notes.append(f"rule hide[{number}] {as_given} leaves no candidate")
    return hidden, notes


def relevance(scores: np.ndarray) -> np.ndarray:
    """Scores (c,) between 0 for the lowest and 1 for the highest."""
    if not len(scores):
        return np.zeros(0)
    low, high = float(scores.min()), float(scores.max())
    return (scores - low) / (high - low) if high > low else np.ones(len(scores))


def boosts(rows: np.ndarray, settings: RuleSettings, films: FilmCatalogue, device: str | None) -> np.ndarray:
    """What boosts add to each candidate (c,)."""
    total = np.zeros(len(rows))
    for boost in settings.boosts:
        if boost.device is None or boost.device == device:
            total += boost.add * films.fitting(boost)[rows]
    return total


def known(films: FilmCatalogue, ids: np.ndarray) -> np.ndarray:
    """Rows of those ids that are films."""
    rows = films.ids.rows(ids)
    return rows[rows >= 0]


Choice = tuple[int, list[str], dict[str, float]]


def choose(
    rows: np.ndarray,
    parts: dict[str, np.ndarray],
    pins: dict[int, int],
    settings: RuleSettings,
    films: FilmCatalogue,
    wanted: ListConstraints,
) -> list[Choice]:
    """Place by place: a pin, or the candidate that is worth most beside those above, as far as caps allow."""
    worth = np.sum(list(parts.values()), axis=0)
    is_open = np.ones(len(rows), bool)
    for row in pins.values():
        is_open &= rows != row
    likeness = np.zeros(len(rows))
    explores = round(settings.exploration * wanted.n)
    drawn = np.random.default_rng(wanted.seed) if explores else None
    counts: dict[tuple[str, int], int] = {}
    chosen: list[Choice] = []
    caps = settings.caps.model_dump(exclude_none=True)
    for place in range(1, wanted.n + 1):
        if place in pins:
            chosen.append((pins[place], ["pinned"], {}))
        elif is_open.any():
            beside = (1 - settings.diversity) * worth - settings.diversity * likeness if settings.diversity else worth
            at = int(np.argmax(np.where(is_open, beside, -np.inf)))
            rules = [name for name in ("boost", "clicked") if abs(parts[name][at]) > 1e-6]
            if drawn and place > wanted.n - explores:
                # beyond what the list would have shown
                below = np.flatnonzero(is_open & (worth < np.sort(worth)[-min(wanted.n, len(worth))]))
                if len(below):
                    at, rules = int(drawn.choice(below)), ["explored"]
            score_parts = {name: round(float(values[at]), 4) for name, values in parts.items()}
            chosen.append((int(rows[at]), rules, score_parts | {"likeness": round(float(likeness[at]), 4)}))
        else:
            break
        row = chosen[-1][0]
        is_open &= rows != row
        if settings.diversity:
            likeness = np.maximum(likeness, films.likeness(rows, np.array([row])))
        for name, cap in caps.items():
            code = int(films.codes[name][row])
            counts[name, code] = counts.get((name, code), 0) + 1
            if code >= 0 and counts[name, code] >= cap:
                is_open &= films.codes[name][rows] != code
    return chosen
