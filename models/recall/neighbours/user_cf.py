"""UserCF: what people like you rated.

Resnick et al., GroupLens (CSCW 1994), on who rated what: the films of the nearest users by cosine, added up. The
powers of similarities are the case amplification of Breese, Heckerman and Kadie (UAI 1998).
"""

from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore
from scipy import sparse

from models.columns import has, integers
from models.dataset import SPLITS, Dataset, Split
from models.ids import Ids
from models.recall.base import Recaller, recommended
from models.recall.history import HistoryConfig, rated, watched
from models.recall.neighbours.neighbours import nearest

AT_ONCE = 128
"""Histories compared with all users at once: of 200,000 users some 200 MB."""


class UserCFConfig(HistoryConfig):
    """Configuration of UserCF."""

    neighbours: int
    """How many nearest users are asked."""
    sharpness: float
    """Similarities are raised to this power: more, and the very nearest count more."""


class UserCF(Recaller):
    """User-based collaborative filtering; anyone with a history has neighbours, known in training or not."""

    Config = UserCFConfig
    config: UserCFConfig

    def fit(self, data: Dataset, until: Split) -> None:
        """Keep who rated what up to `until`."""
        self.seen, self.users, self.films = rated(data.interactions(*SPLITS[: SPLITS.index(until) + 1]))
        self.units = normalised(self.seen).T.tocsr()  # (m, users)
        self.came_from(data, until)

    def recommend(
        self, users: pa.Table, k: int, exclude: list[np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add up the nearest users' films; a user's own row in training is not asked. No history, no answer."""
        history = normalised(watched(users, self.config, self.films))
        own = np.full(users.num_rows, -1)
        if has(users, "user_id"):
            own = self.users.rows(integers(users, "user_id"))

        def score(some: slice) -> np.ndarray:
            pieces = [slice(i, min(i + AT_ONCE, some.stop)) for i in range(some.start, max(some.stop, 1), AT_ONCE)]
            similar = sparse.vstack([self._nearest(history[piece], own[piece]) for piece in pieces], format="csr")
            dense: np.ndarray = (similar @ self.seen).toarray()
            dense[dense == 0] = -np.inf
            return dense

        return recommended(score, users.num_rows, k, exclude, self.films)

    def _nearest(self, history: sparse.csr_matrix, own: np.ndarray) -> sparse.csr_matrix:
        """What each history's nearest users count (n, users); `own` (n,) is whom to leave out, -1 for nobody."""
        similar = history @ self.units
        row = np.repeat(np.arange(similar.shape[0]), np.diff(similar.indptr))
        similar.data[similar.indices == own[row]] = 0.0
        similar = nearest(similar, self.config.neighbours)
        similar.data **= self.config.sharpness
        return similar

    def tensors(self) -> dict[str, np.ndarray]:
        """Who rated what, in CSR parts, and the users."""
        return {"indices": self.seen.indices, "indptr": self.seen.indptr, "users": self.users.values}

    def restore(self, tensors: dict[str, np.ndarray], facts: dict[str, Any], store: FeatureStore) -> None:
        """Put the matrix together again."""
        self.users = Ids(tensors["users"])
        ones = np.ones(len(tensors["indices"]), np.float32)
        shape = (len(self.users), len(self.films))
        self.seen = sparse.csr_matrix((ones, tensors["indices"], tensors["indptr"]), shape)
        self.units = normalised(self.seen).T.tocsr()


def normalised(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    """The rows (n, m) brought to length one; empty ones stay empty."""
    out = rows.copy()
    length = np.sqrt(np.asarray(out.multiply(out).sum(axis=1)).ravel())
    out.data = out.data / np.repeat(length, np.diff(out.indptr))
    return out
