"""What `cinefeast bench` prints: a table, and all figures as JSON in the last line."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from dbt_project import bench
from feature_repo.bench.features import TARGETS, Measured
from serving.bench.serve import CLIENTS
from serving.config import Mode


def print_features(measured: Measured) -> None:
    """Each key with its figure, its target and how it was measured."""
    table = Table("figure", "measured", "target", "how")
    for key, value, how in measured.lines:
        table.add_row(key, f"{value:.2f}", TARGETS[key], how)
    _print(table)
    print(json.dumps(measured.summary))


def print_warehouse(measured: bench.Measured) -> None:
    """Each model with its seconds in both builds, the slowest first."""
    table = Table("model")
    for name in ("seconds full", "seconds append", "rows", "MB"):
        table.add_column(name, justify="right")
    for model, seconds in sorted(measured.full.models.items(), key=lambda item: -item[1]):
        rows, megabytes = measured.tables.get(model, (None, None))
        append = measured.append.models.get(model)
        table.add_row(
            model,
            f"{seconds:.1f}",
            "" if append is None else f"{append:.1f}",
            "" if rows is None else f"{rows:,}",
            "" if megabytes is None else f"{megabytes:,.1f}",
        )
    _print(table)
    print(json.dumps(measured.summary()))


def print_recall(measured: dict[str, Any]) -> None:
    """Each kind of index and each trained channel, then all figures."""
    table = Table("index", "p50 ms", "p99 ms", "recall of the exact", "build s")
    for kind in ("flat", "hnsw", "ivf"):
        one = measured["faiss"][kind]
        exact = f"{one['recall@500']:.3f}" if "recall@500" in one else "1"
        table.add_row(kind, f"{one['p50_ms']:.2f}", f"{one['p99_ms']:.2f}", exact, f"{one['build_s']:.1f}")
    _print(table)
    if "offline_1000_users" in measured:
        channels = Table("channel", "features s", "recommend s")
        for name, one in measured["offline_1000_users"]["channels"].items():
            channels.add_row(name, f"{one['features_s']:.2f}", f"{one['recommend_s']:.2f}")
        _print(channels)
    print(json.dumps(measured))


def print_rank(measured: dict[str, Any]) -> None:
    """Each way to score with its milliseconds, then all figures."""
    table = Table("scored by", "p50 ms", "p99 ms")
    for name in ("onnx", "torch", "lightgbm"):
        table.add_row(name, f"{measured[f'{name}_p50_ms']:.2f}", f"{measured[f'{name}_p99_ms']:.2f}")
    _print(table)
    print(json.dumps(measured))


def print_samples(measured: dict[str, Any]) -> None:
    """Rows a second, memory and hours, then all figures."""
    table = Table("figure", "measured")
    for name, value in measured.items():
        table.add_row(name, f"{value:,.2f}" if isinstance(value, float) else str(value))
    _print(table)
    print(json.dumps(measured))


def print_serve(measured: dict[str, Any]) -> None:
    """Latency and throughput by clients, then all figures."""
    table = Table("clients", "p50 ms", "p99 ms", "requests/s")
    for clients in CLIENTS:
        figures = (measured[f"{name}_{clients}"] for name in ("p50_ms", "p99_ms", "rps"))
        table.add_row(str(clients), *(f"{figure:.1f}" for figure in figures))
    _print(table)
    print(json.dumps(measured))


def print_vectors(measured: dict[str, Any]) -> None:
    """Each mode with its times and its freshness, then all figures."""
    table = Table("vectors", "first p50 ms", "p99", "again p50 ms", "p99", "knows at once", "kept s")
    for mode in Mode:
        figures = (measured[f"{mode}_{turn}_{q}_ms"] for turn in ("first", "again") for q in ("p50", "p99"))
        vector_store = measured[f"{mode}_kept_s"]
        table.add_row(
            mode, *(f"{figure:.1f}" for figure in figures), "yes" if measured[f"{mode}_knows_at_once"] else "no",
            "for good" if vector_store is None else str(vector_store),
        )  # fmt: skip
    _print(table)
    print(json.dumps(measured))


def _print(table: Table) -> None:
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)
