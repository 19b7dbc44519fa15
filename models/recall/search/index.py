"""The index of films' vectors: exact, a graph, or clustered lists, by FAISS."""

from typing import Any, Literal

import faiss
import numpy as np

from models.config import ModelConfig


class IndexConfig(ModelConfig):
    """How the films' vectors are searched. Johnson, Douze and Jégou, Billion-scale similarity search (2019)."""

    index: Literal["flat", "hnsw", "ivf"] = "flat"
    """flat: exact. hnsw: a graph of neighbours (Malkov and Yashunin 2018). ivf: the nearest of clustered lists."""
    hnsw_links: int = 32
    """Links a film has in the graph; more find more and take more memory."""
    hnsw_breadth: int = 256
    """Films held while the graph is walked, at least as many as are asked for."""
    ivf_lists: int = 256
    """Lists that the films are clustered into; at most one for 39 films."""
    ivf_probes: int = 32
    """Lists looked into for a question."""


def build_index(vectors: np.ndarray, config: IndexConfig) -> Any:
    """An index by inner product over film vectors (m, d) float32. Its search pads with row -1."""
    dim = vectors.shape[1]
    index: Any
    if config.index == "hnsw":
        index = faiss.IndexHNSWFlat(dim, config.hnsw_links, faiss.METRIC_INNER_PRODUCT)
    elif config.index == "ivf":
        lists = max(1, min(config.ivf_lists, len(vectors) // 39))  # FAISS wants 39 vectors a list
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, lists, faiss.METRIC_INNER_PRODUCT)
        index.cp.seed = config.seed
        index.train(vectors)
        index.nprobe = config.ivf_probes
    else:
        index = faiss.IndexFlatIP(dim)
    index.add(vectors)
    return index


def search(index: Any, queries: np.ndarray, k: int, config: IndexConfig) -> tuple[np.ndarray, np.ndarray]:
    """The `k` nearest rows to each question (n, d): scores and rows (n, k), padded with -1; k may exceed the index."""
    k = max(1, min(k, index.ntotal))
    if config.index == "hnsw":
        index.hnsw.efSearch = max(config.hnsw_breadth, k)
    scores, rows = index.search(np.ascontiguousarray(queries, np.float32), k)
    return scores, rows
