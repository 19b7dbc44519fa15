"""Train other libraries' recommenders on the exported split and let them answer the exported cases.

Runs in the peers' environment, which has nothing of CineFeast: `python tests/peers/run.py FOLDER`. The folder holds
interactions.parquet (user_id, movie_id, split, in order of time) and cases.parquet (user_id, event_timestamp), made by
`cinefeast peers export`. Each peer learns from train and validation and is asked with the user's history of the case's
moment. Answers are written as PEER.npy (cases, 500), -1 where there are fewer, seconds and parameters as peers.json.
"""

import argparse
import json
import os
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import EASEModel, PopularModel
from scipy import sparse
from sequences import ARCHITECTURE, as_dataset, sasrec

K = 500
THREADS = int(os.environ.get("OMP_NUM_THREADS", "0"))
MATRIX = {
    "implicit_als": (
        AlternatingLeastSquares,
        {"factors": 128, "regularization": 0.01, "iterations": 15, "random_state": 0},
    ),
    "implicit_cosine": (CosineRecommender, {"K": 50}),
    "implicit_bm25": (BM25Recommender, {"K": 50}),
}
PEERS = ("rectools_popular", *MATRIX, "rectools_ease", "rectools_sasrec")


def histories(interactions: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Each case's films before its moment, in order of time: columns case, movie_id."""
    asked = cases.assign(case=np.arange(len(cases))).rename(columns={"event_timestamp": "moment"})
    events = interactions.reset_index(names="order").merge(asked, on="user_id")
    return events[events["event_timestamp"] < events["moment"]].sort_values(["case", "order"], kind="stable")


def matrix(rows: pd.Series, films: pd.Series, index: pd.Index, height: int) -> sparse.csr_matrix:
    """A 0/1 matrix (height, films known in training)."""
    columns = index.get_indexer(films)
    known = columns >= 0
    ones = np.ones(known.sum(), np.float32)
    return sparse.csr_matrix((ones, (rows.to_numpy()[known], columns[known])), (height, len(index)))


def ask_matrix(kind: Any, parameters: dict, train: pd.DataFrame, history: pd.DataFrame, cases: int) -> tuple:
    """implicit: a matrix in, ids and scores out."""
    index = pd.Index(np.sort(train["movie_id"].unique()))
    users = pd.Series(pd.factorize(train["user_id"])[0])
    seen = matrix(users, train["movie_id"], index, users.max() + 1)
    model = kind(**parameters, num_threads=THREADS)
    started = time.perf_counter()
    model.fit(seen, show_progress=False)
    seconds = time.perf_counter() - started
    rows = matrix(history["case"], history["movie_id"], index, cases)
    folded = {"recalculate_user": True} if kind is AlternatingLeastSquares or hasattr(model, "user_factors") else {}
    ids, scores = model.recommend(np.arange(cases), rows, N=min(K, len(index)), **folded)
    named = (ids >= 0) & (scores > -1e30)  # implicit pads with films of the lowest score that there is
    if not folded:
        named &= scores > 0  # no neighbour in common
    answers = np.full((cases, K), -1, np.int64)
    answers[:, : ids.shape[1]] = np.where(named, index.to_numpy()[np.maximum(ids, 0)], -1)
    return answers, seconds


def ask_rectools(model: Any, train: pd.DataFrame, history: pd.DataFrame, cases: int) -> tuple:
    """RecTools: a data set in, a table out. Each case is a user of a second data set over the same films."""
    learned = Dataset.construct(as_dataset(train["user_id"], train["movie_id"]))
    started = time.perf_counter()
    model.fit(learned)
    seconds = time.perf_counter() - started
    films = pd.Series(learned.item_id_map.external_ids)
    known = history[history["movie_id"].isin(films)]
    # a last user, never asked, who has seen every film: RecTools' matrices are as wide as the largest film number
    all_seen = as_dataset(pd.concat([known["case"], films * 0 + cases]), pd.concat([known["movie_id"], films]))
    asked = Dataset.construct(all_seen)
    asked = asked.__class__(asked.user_id_map, learned.item_id_map, moved(asked, learned))
    found = model.recommend(
        known["case"].unique(), asked, k=min(K, len(films)), filter_viewed=True,
        on_unsupported_targets="ignore",
    )  # fmt: skip
    answers = np.full((cases, K), -1, np.int64)
    answers[found[Columns.User].to_numpy(int), found[Columns.Rank].to_numpy(int) - 1] = found[Columns.Item].to_numpy()
    return answers, seconds


def moved(asked: Dataset, learned: Dataset) -> Any:
    """The interactions of `asked` with the film numbers of `learned`."""
    frame = asked.interactions.df.copy()
    films = asked.item_id_map.convert_to_external(frame[Columns.Item])
    frame[Columns.Item] = learned.item_id_map.convert_to_internal(films)
    return asked.interactions.__class__(frame)


def run(name: str, train: pd.DataFrame, history: pd.DataFrame, cases: int, epochs: int, seconds: int | None) -> tuple:
    """One peer's answers, its seconds of training, its parameters."""
    if name in MATRIX:
        kind, parameters = MATRIX[name]
        return *ask_matrix(kind, parameters, train, history, cases), parameters
    if name == "rectools_sasrec":
        limit = {"max_epochs": epochs} | ({"max_time": {"seconds": seconds}} if seconds else {})
        parameters = {**ARCHITECTURE, **limit}
        return *ask_rectools(sasrec(**limit), train, history, cases), parameters
    if name == "rectools_ease":
        parameters = {"regularization": 500.0}
        return *ask_rectools(EASEModel(**parameters, recommend_n_threads=THREADS), train, history, cases), parameters
    return *ask_rectools(PopularModel(), train, history, cases), {}


def main() -> None:
    """Run the peers one after the other; what an earlier run left of the others stays."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peer", action="append", choices=PEERS, help="one, or several; all if none is named")
    parser.add_argument("--epochs", type=int, default=30, help="of SASRec")
    parser.add_argument("--seconds", type=int, help="after which SASRec stops, if that is before the epochs are over")
    options = parser.parse_args()
    interactions = pd.read_parquet(options.folder / "interactions.parquet")
    cases = pd.read_parquet(options.folder / "cases.parquet")
    train = interactions[interactions["split"] != "test"]
    history = histories(interactions, cases)
    path = options.folder / "peers.json"
    payload = json.loads(path.read_text()) if path.exists() else {}
    versions = {name: version(name) for name in ("implicit", "rectools", "torch", "numpy")}
    for name in options.peer or PEERS:
        answers, seconds, parameters = run(name, train, history, len(cases), options.epochs, options.seconds)
        np.save(options.folder / f"{name}.npy", answers, allow_pickle=False)
        payload[name] = {"fit_seconds": round(seconds, 2), "parameters": parameters, "threads": THREADS, "seed": 0,
                      "versions": versions}  # fmt: skip
        path.write_text(json.dumps(payload, indent=1) + "\n")
        print(f"{name}: trained in {seconds:.1f} s")


if __name__ == "__main__":
    main()
