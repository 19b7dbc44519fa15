"""Why a film is in a list: what is said of channels, films watched, people and genres, on films that are known."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from models.ids import Ids
from models.recall.merging import Merging
from models.recall.neighbours.item_cf import ItemCF
from models.two_stage import TwoStage
from serving.pipeline.catalogue import FilmCatalogue
from serving.pipeline.explain import because, liked, reasons, shared
from serving.pipeline.rerank import RankedItem
from serving.pipeline.user_context import UserContext
from tests.models.conftest import untrained

IDS = np.arange(1, 7)
NEW, GONE = 6, 404
UNKNOWN = dict.fromkeys((
    "movie_genres", "movie_genre_names", "movie_director_name", "movie_lead_cast_names", "movie_collection_id",
))  # fmt: skip


def film(movie_id: int, **facts: Any) -> dict[str, Any]:
    return {"movie_id": movie_id, "movie_title": f"film {movie_id}", **UNKNOWN, **facts}


@pytest.fixture(scope="module")
def films() -> FilmCatalogue:
    """Films 1 and 2 share their director, 2 and 3 an actor; by their vectors 6, which nobody rated, is like 1."""
    rows = [
        film(1, movie_director_name="Ana", movie_genres=[0], movie_genre_names=["Drama"]),
        film(2, movie_director_name="Ana", movie_lead_cast_names=["Bo"], movie_genres=[1], movie_genre_names=["War"]),
        film(3, movie_lead_cast_names=["Bo", "Cy"], movie_genres=[0, 1], movie_genre_names=["Drama", "War"]),
        *(film(int(movie)) for movie in IDS[3:]),
    ]
    vectors = np.array([[1, 0], [0, 1], [0, 1], [-1, 0], [0, 0], [1, 0.2]], np.float32)
    return FilmCatalogue(pa.Table.from_pylist(rows), {}, (Ids(IDS), vectors))


@pytest.fixture(scope="module")
def models() -> TwoStage:
    """ItemCF alone, for which film 3 is near 1 and nearer to 2, and 4 is near none."""
    item_cf: ItemCF = untrained("item_cf")
    item_cf.films = Ids(IDS)
    near = np.zeros((6, 6), np.float32)
    near[0, 2], near[1, 2] = 0.1, 0.9
    item_cf.similar = sparse.csr_matrix(near)
    return TwoStage({"item_cf": item_cf}, None, Merging.even(["item_cf"]))


def user(*seen: int, ratings: list[float] | None = None) -> UserContext:
    given = [4.0] * len(seen) if ratings is None else ratings
    past = {"movie_ids": list(seen), "ratings": given, "timestamps": list(range(len(seen)))}
    lists = {f"user_{window}_{name}": [values] for window in ("seen", "recent") for name, values in past.items()}
    return UserContext(1, pa.table(lists))


def test_films_rated_alike_speak_first_then_those_that_are_near(films: FilmCatalogue, models: TwoStage) -> None:
    def spoken_for(*seen: int) -> list[list[int]]:
        return because(user(*seen), np.array(seen, np.int64), np.array([3, NEW, 4, 5]), films, models)

    assert spoken_for(1, 2) == [[2, 1], [1], [], []]
    assert spoken_for(GONE, 1) == [[1], [1], [], []]
    assert spoken_for() == [[], [], [], []]
    assert because(user(1), np.array([1]), np.empty(0, np.int64), films, models) == []


def test_without_item_cf_vectors_alone_speak(films: FilmCatalogue) -> None:
    none = TwoStage({}, None, Merging.even([]))
    assert because(user(1, 2), np.array([1, 2]), np.array([3, NEW, 4]), films, none) == [[2], [1], []]


def test_what_is_shared_is_a_director_an_actor_and_genres_of_a_third_of_the_history(films: FilmCatalogue) -> None:
    drama, both = films.get(1), films.get(3)
    assert shared(films.get(2), [drama, both]) == {
        "shared_director": "Ana", "shared_cast": ["Bo"], "shared_genres": ["War"],
    }  # fmt: skip
    assert shared(both, [drama, films.get(4), films.get(5)])["shared_genres"] == ["Drama"]
    assert shared(both, [drama, *(films.get(5) for _ in range(3))])["shared_genres"] == []
    nothing = {"shared_director": None, "shared_cast": [], "shared_genres": []}
    assert shared(films.get(4), [films.get(5), drama]) == nothing  # two unknown directors are not the same
    assert shared(both, []) == shared(films.get(GONE), [drama]) == nothing


@pytest.mark.parametrize(
    ("ratings", "expected"),
    [
        ([3.5, 3.0, 2.0], [1, 2]),  # of a mean of 2.83
        ([5.0, 3.5, 4.0], [1, 2, 3]),  # 3.5 is liked, whatever the mean
        ([1.0, 2.0, 2.0], []),  # 2 is not, whatever the mean
        ([1.0, 2.5, 1.0], [2]),
    ],
)
def test_what_was_liked(films: FilmCatalogue, ratings: list[float], expected: list[int]) -> None:
    assert liked(user(1, 2, 3, ratings=ratings), films).tolist() == expected


def test_of_a_film_rated_again_the_last_rating_counts(films: FilmCatalogue) -> None:
    assert liked(user(1, 2, 1, ratings=[5.0, 4.0, 1.0]), films).tolist() == [2]
    assert liked(user(1, 2, 1, ratings=[1.0, 4.0, 5.0]), films).tolist() == [2, 1]


def test_only_what_was_liked_speaks_for_a_film(films: FilmCatalogue, models: TwoStage) -> None:
    """Film 2 speaks most for 3 by co-ratings, 1 is all that is near to 6 by vectors."""
    placed = [RankedItem(movie, 0.5, {}, {}, []) for movie in (3, NEW)]

    def led(*ratings: float) -> list[list[int]]:
        found = reasons(placed, user(1, 2, ratings=list(ratings)), films, models)
        return [[one.movie_id for one in reason.because_you_watched] for reason in found]

    assert led(4.0, 4.0) == [[2, 1], [1]]
    assert led(4.0, 1.0) == [[1], [1]]
    assert led(1.0, 4.0) == [[2], []]
    assert led(1.0, 2.0) == [[], []]
    (of_three, _) = reasons(placed, user(1, 2, ratings=[4.0, 1.0]), films, models)
    assert (of_three.shared_cast, of_three.shared_genres) == ([], ["Drama"])


def test_ids_and_placeholders_are_told_to_nobody(models: TwoStage) -> None:
    raw = {"movie_director_name": "m.03bw6", "movie_lead_cast_names": ["m.0x_1", "Mo.1"]}
    rows = [film(1, movie_year=None, **raw), film(2, **raw), film(3) | {"movie_title": "unkonwn"},
            film(4) | {"movie_title": "Unknown", "movie_year": 2011}]  # fmt: skip
    vectors = np.ones((4, 1), np.float32)
    named = FilmCatalogue(pa.Table.from_pylist(rows), {}, (Ids(IDS[:4]), vectors))
    (of_two,) = reasons([RankedItem(2, 0.5, {}, {}, [])], user(1, 3), named, models)
    assert (of_two.shared_director, of_two.shared_cast) == (None, ["Mo.1"])
    assert [one.movie_id for one in of_two.because_you_watched] == [1]
    assert named.withheld.tolist() == [3]


def test_a_reason_is_told_for_each_film_in_its_place(films: FilmCatalogue, models: TwoStage) -> None:
    placed = [
        RankedItem(3, 0.5, {"item_cf": 2}, {"relevance": 1.0}, ["boost"]),
        RankedItem(5, None, {}, {}, ["pinned"]),
    ]
    of_three, of_five = reasons(placed, user(GONE, 2), films, models)
    assert of_three.channels == {"item_cf": 2}
    assert [(one.movie_id, one.title) for one in of_three.because_you_watched] == [(2, "film 2")]
    assert (of_three.shared_cast, of_three.shared_genres) == (["Bo"], ["War"])
    assert (of_three.score_parts, of_three.rules) == ({"relevance": 1.0}, ["boost"])
    assert (of_five.because_you_watched, of_five.shared_director, of_five.rules) == ([], None, ["pinned"])
    assert all(one.because_you_watched == [] for one in reasons(placed, user(), films, models))
