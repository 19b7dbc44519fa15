"""What each rule does to a list, on films whose likeness is known: four groups of five, alike within a group alone."""

import numpy as np
import pyarrow as pa

from models.ids import Ids
from serving.pipeline.catalogue import FilmCatalogue
from serving.pipeline.rerank import ListConstraints, RankedCandidates, RankedList, apply_rules
from serving.rules.models import Rules, RuleSettings

GROUPS, EACH = 4, 5
GENRES = ["Action", "Adventure", "Animation", "Children"]
IDS = np.arange(1, GROUPS * EACH + 1)
NONE = np.empty(0, np.int64)


def films() -> FilmCatalogue:
    rows = [
        {
            "movie_id": int(movie), "movie_genre_names": [GENRES[(movie - 1) // EACH]],
            "movie_genres": [int(movie - 1) // EACH], "movie_director_name": f"director {movie % 3}",
            "movie_collection_id": 7 if movie in (1, 2, 3) else None, "movie_year": 1990 + int(movie),
        }
        for movie in IDS
    ]  # fmt: skip
    vectors = np.eye(GROUPS, dtype=np.float32)[(IDS - 1) // EACH]
    return FilmCatalogue(pa.Table.from_pylist(rows), {}, (Ids(IDS), vectors))


def listed(settings: dict, n: int = 10, **wanted: object) -> RankedList:
    """The list of film 1, the best, to 20."""
    ranked = RankedCandidates(IDS, -IDS.astype(float), {"channel": IDS})
    given = {"excluded_ids": NONE, "clicked": NONE} | wanted
    return apply_rules(ranked, RuleSettings.model_validate(settings), films(), ListConstraints(n, **given))  # type: ignore[arg-type]


def ids(arranged: RankedList) -> list[int]:
    return [film.movie_id for film in arranged.films]


def group(movie: int) -> int:
    return (movie - 1) // EACH


def test_without_rules_the_order_is_the_models() -> None:
    found = listed({})
    assert ids(found) == list(range(1, 11))
    assert found.notes == []
    assert found.films[0].parts["relevance"] == 1.0
    assert found.films[0].channels == {"channel": 1}


def test_diversity_shows_other_groups_earlier() -> None:
    assert {group(movie) for movie in ids(listed({}, n=4))} == {0}
    assert {group(movie) for movie in ids(listed({"diversity": 0.7}, n=4))} == {0, 1, 2, 3}
    assert ids(listed({"diversity": 0.7}, n=4))[0] == 1


def test_a_click_lifts_what_is_like_it() -> None:
    plain, lifted = ids(listed({"clicked": 0.0}, n=20)), listed({"clicked": 0.4}, n=20, clicked=np.array([18, 999]))
    for movie in range(16, 21):
        assert ids(lifted).index(movie) < plain.index(movie) or plain.index(movie) == 0
    assert [film.rules for film in lifted.films if film.movie_id == 16] == [["clicked"]]


def test_a_genre_in_a_rule_is_known_in_any_capitals_or_told() -> None:
    found = listed({"hide": [{"genres": ["ACTION"]}], "boosts": [{"genres": ["western"], "add": 1.0}]}, n=20)
    assert {group(movie) for movie in ids(found)} == {1, 2, 3}
    assert found.notes == ["no film has the genre Western, which a rule names"]


def test_a_boost_is_for_its_device() -> None:
    boost = {"boosts": [{"genres": [GENRES[3]], "add": 1.0, "device": "tv"}]}
    assert ids(listed(boost)) == ids(listed({}))
    assert {group(movie) for movie in ids(listed(boost, n=4, device="tv"))} == {3}
    assert listed({"boosts": [{"movie_ids": [1], "add": -1.0}]}).films[0].movie_id == 2


def test_caps_hold_and_are_told_where_they_leave_too_few() -> None:
    found = listed({"caps": {"genre": 1}}, n=10)
    assert [group(movie) for movie in ids(found)] == [0, 1, 2, 3]
    assert found.notes == ["caps left 4 films of 10"]
    assert len({movie % 3 for movie in ids(listed({"caps": {"director": 1}}))}) == 3
    assert len({1, 2, 3} & set(ids(listed({"caps": {"collection": 1}}, n=20)))) == 1


def test_exploration_draws_the_end_of_the_list_from_below_it() -> None:
    plain, found = ids(listed({})), listed({"exploration": 0.3}, seed=5)
    assert ids(found)[:7] == plain[:7]
    assert not set(ids(found)[7:]) & set(plain)
    assert [film.rules for film in found.films[7:]] == [["explored"]] * 3
    assert ids(listed({"exploration": 0.3}, seed=5)) == ids(found)
    assert {tuple(ids(listed({"exploration": 0.3}, seed=seed))) for seed in range(5)} != {tuple(ids(found))}


def test_a_pin_stands_at_its_place_unless_it_may_not_be_seen() -> None:
    pins = {"pins": [{"movie_id": 20, "place": 2}, {"movie_id": 3, "place": 1}, {"movie_id": 404, "place": 3}]}
    assert ids(listed(pins, n=4)) == [3, 20, 1, 2]
    assert ids(listed(pins, n=4, excluded_ids=np.array([20]))) == [3, 1, 2, 4]
    assert ids(listed(pins | {"hide": [{"movie_ids": [3]}]}, n=3)) == [1, 20, 2]


def test_traffic_weights_divide_users_as_they_say() -> None:
    rules = Rules.model_validate(
        {"variants": {name: {"traffic_weight": n} for name, n in (("a", 1), ("b", 3), ("c", 0))}}
    )
    counts = [sum(rules.assigned(user) == name for user in range(4000)) for name in "abc"]
    assert abs(counts[0] - 1000) < 120
    assert counts[2] == 0
    other = rules.model_copy(update={"salt": "again"})
    assert [rules.assigned(u) for u in range(50)] != [other.assigned(u) for u in range(50)]
