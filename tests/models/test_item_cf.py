"""ItemCF: against plain loops, and against the cosine of `implicit`."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from implicit.nearest_neighbours import CosineRecommender
from scipy import sparse

from models.recall.neighbours import item_cf
from models.recall.neighbours.item_cf import similarities
from models.recall.neighbours.neighbours import nearest
from tests.models.recall_contract import RecallContract


class TestItemCF(RecallContract):
    kind = "item_cf"


@pytest.fixture(scope="module")
def seen() -> sparse.csr_matrix:
    """300 users and 500 films as MovieLens has them: a few films that most saw, a few users who saw most."""
    rng = np.random.default_rng(0)
    chance = 1 / np.arange(1, 501) ** 0.8
    rows = [
        rng.choice(500, n, replace=False, p=chance / chance.sum())
        for n in np.minimum(rng.lognormal(3.5, 1, 300), 300).astype(int) + 1
    ]
    user = np.repeat(np.arange(300), [len(row) for row in rows])
    return sparse.csr_matrix((np.ones(len(user), np.float32), (user, np.concatenate(rows))), (300, 500))


@pytest.mark.parametrize(("popularity", "activity"), [(0.5, 0.0), (0.3, 0.0), (0.7, 1.0)])
def test_similarities_by_hand(seen: sparse.csr_matrix, popularity: float, activity: float) -> None:
    dense = seen.toarray()[:, :40]
    weight = np.maximum(dense.sum(axis=1), 1) ** -activity
    expected = np.zeros((40, 40))
    for i in range(40):
        near = np.zeros(40)
        for j in range(40):
            if i != j:
                both = (weight * dense[:, i] * dense[:, j]).sum()
                own, other = (weight * dense[:, i]).sum(), (weight * dense[:, j]).sum()
                near[j] = both / (max(own, 1e-9) ** (1 - popularity) * max(other, 1e-9) ** popularity)
        kept = np.argsort(-near, kind="stable")[:5]
        expected[i, kept] = near[kept]
    found = similarities(sparse.csr_matrix(dense), 5, popularity, activity)
    assert found.toarray() == pytest.approx(expected, abs=1e-6)


@pytest.mark.filterwarnings("ignore:Method expects CSR input")  # what it hands itself
def test_cosine_is_that_of_implicit(seen: sparse.csr_matrix) -> None:
    """Its list has the film itself first, and settles ties in its own way: values are compared."""
    peer = CosineRecommender(K=51)
    peer.fit(seen, show_progress=False)
    ours = similarities(seen, 50, popularity=0.5, activity=0.0)
    for film in range(500):
        theirs = peer.similarity[film].toarray().ravel()
        theirs[film] = 0
        assert np.sort(ours[film].data) == pytest.approx(np.sort(theirs[theirs > 0])[-50:], abs=1e-5)


def test_slices_change_nothing(seen: sparse.csr_matrix, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = similarities(seen, 50, 0.5, 1.0)
    monkeypatch.setattr(item_cf, "HELD", 3000)
    assert len(list(item_cf.slices(seen.T.tocsr(), seen))) > 20
    assert abs(similarities(seen, 50, 0.5, 1.0) - whole).nnz == 0


def test_50_neighbours_are_a_tenth_of_all() -> None:
    """On as many films as MovieLens 1M has, rated as unevenly."""
    rng = np.random.default_rng(1)
    chance = 1 / np.arange(1, 3001) ** 0.7
    user = np.repeat(np.arange(1500), np.minimum(rng.lognormal(4.3, 1, 1500), 1500).astype(int))
    film = rng.choice(3000, len(user), p=chance / chance.sum())
    seen = sparse.csr_matrix((np.ones(len(user), np.float32), (user, film)), (1500, 3000))
    seen.data[:] = 1
    unpruned = (seen.T @ seen).nnz - len(np.unique(film))
    pruned = similarities(seen, 50, 0.5, 1.0).nnz
    assert 50 * 2500 < pruned <= 50 * 3000
    assert pruned < 0.1 * unpruned


def test_ties_are_settled_by_column() -> None:
    rows = sparse.csr_matrix(np.array([[0, 2, 1, 2, 1, 2], [0, 0, 0, 0, 0, 0], [1, 0, 0, 0, -1, 0]], np.float32))
    assert nearest(rows, 2).toarray().tolist() == [[0, 2, 0, 2, 0, 0], [0] * 6, [1, 0, 0, 0, 0, 0]]
    assert nearest(rows, 4).toarray()[0].tolist() == [0, 2, 1, 2, 0, 2]


def test_scores_add_up_and_name_who_spoke(channels: dict[str, Any]) -> None:
    channel = channels["item_cf"]
    first, second = channel.films.values[[0, 1]]
    user = pa.table({"user_recent_movie_ids": [[int(first), int(second)]]})
    earlier = np.exp(-1 / channel.config.recency)
    ids, scores = channel.recommend(user, 1)
    row = channel.films.rows(ids[0])[0]
    said = {first: earlier * channel.similar[0, row], second: channel.similar[1, row]}
    assert scores[0, 0] == pytest.approx(sum(said.values()))
    most, least = sorted(said, key=lambda film: said[film], reverse=True)
    assert channel.contributors(user, ids[0], np.array([first, second]))[0][0] == most
    assert channel.contributors(user, ids[0], np.array([least])) == [[least] if said[least] > 0 else []]
    assert channel.contributors(user, np.array([-5]), np.array([first, second])) == [[]]
