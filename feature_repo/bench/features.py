"""`cinefeast bench features`: each figure, measured step by step in a scratch folder of the workspace."""

import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dbt_project.errors import CineFeastError
from dbt_project.workspace import Workspace
from feature_repo.bench.process import Outcome, run
from feature_repo.bench.redis_server import flush, program, redis_server

MILLION = 1_000_000
CHECKED = 100_000
LISTS = 10_000_000
ALL = 32_000_000
KEYS = 10_000
ROUNDS = 3
LIMIT_SECONDS, LIMIT_GB = 300, 16
LIMITS = {"seconds": LIMIT_SECONDS, "gb": LIMIT_GB}
TARGETS = {
    "ratio_vs_sql_scalar": "at most 1.3",
    "ratio_vs_sql_lists": "at most 1.5",
    "speedup_vs_stock_1m": "at least 20",
    "peak_gb_10m_lists": "at most 12",
    "seconds_32m_scalar": "",
    "peak_gb_32m_scalar": "at most 12",
    "materialize_vs_stock_redis": "at least 2",
    "materialize_vs_raw": "at most 4",
}


@dataclass
class Measured:
    """What was measured: for each key its figure and how it came about, and all figures for the JSON."""

    lines: list[tuple[str, float, str]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(TARGETS))

    def add(self, key: str, value: float, how: str, is_at_size: bool, **more: Any) -> None:
        """A figure; in the JSON it counts only at its stated size."""
        how = how if is_at_size else f"{how}: not the stated size"
        print(f"{key} {value:.3f} ({how})", file=sys.stderr)  # what comes later may fail
        self.lines.append((key, value, how))
        self.summary |= {name: round(each, 3) if isinstance(each, float) else each for name, each in more.items()}
        if is_at_size:
            self.summary[key] = round(value, 3)


def measure(space: Workspace, rows: int | None) -> Measured:
    """Measure everything on the published warehouse; at most `rows` labels if given."""
    if not space.warehouse.exists():
        raise CineFeastError(f"no warehouse at {space.warehouse}", "cd dbt_project && dbt build")
    if not space.registry.exists():
        raise CineFeastError(f"no feature registry at {space.registry}", "cd feature_repo && feast apply")
    program()
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=space.root) as name:
        return _Bench(Path(name), rows).measured()


class _Bench:
    def __init__(self, folder: Path, rows: int | None) -> None:
        self.folder = folder
        self.rows = rows
        self.keys = KEYS if rows is None else max(10, min(KEYS, rows // 100))
        self.out = Measured()

    def measured(self) -> Measured:
        sizes = sorted({self.size(stated) for stated in (CHECKED, MILLION, LISTS)})
        prepared = self.run("prepare", sizes=sizes, keys=self.keys).result
        self.labels = prepared["labels"]
        self.out.summary["labels"] = self.labels
        self.compare("scalar", False)
        self.compare("lists", True)
        self.stock()
        self.write_lists()
        self.write_all()
        self.materialize(prepared["materialize_source_rows"])
        return self.out

    def run(self, step: str, **arguments: Any) -> Outcome:
        return run(step, self.folder, folder=str(self.folder), **arguments)

    def size(self, stated: int) -> int:
        return stated if self.rows is None else min(stated, self.rows)

    def drawn(self, stated: int) -> tuple[str, int, bool]:
        """File of the labels drawn, how many they are, and whether they are as many as stated."""
        count = min(self.size(stated), self.labels)
        return str(self.folder / f"labels-{self.size(stated)}.parquet"), count, count == stated

    def compare(self, kind: str, has_lists: bool) -> None:
        labels, count, is_at_size = self.drawn(MILLION)
        outcome = self.run(
            "compare", labels=labels, check=self.drawn(CHECKED)[0], has_lists=has_lists, rounds=ROUNDS
        ).result
        how = (
            f"{count:,} labels to parquet: ours {outcome['seconds']:.2f} s, SQL {outcome['sql_seconds']:.2f} s, "
            f"medians of {ROUNDS} in turns; {outcome['checked_rows']:,} rows equal"
        )
        more = {f"{name}_{kind}": outcome[name] for name in ("seconds", "sql_seconds", "checked_rows")}
        self.out.add(f"ratio_vs_sql_{kind}", outcome["ratio"], how, is_at_size, **more)

    def stock(self) -> None:
        labels, count, is_at_size = self.drawn(MILLION)
        ours, stock = (self.run("to_arrow", labels=labels, kind=kind, **LIMITS) for kind in ("ours", "stock"))
        if ours.stopped:
            raise CineFeastError(f"ours was stopped: {ours.stopped}", "cinefeast bench features --rows 100000")
        seconds = _seconds(stock)
        how = f"{count:,} labels, pandas to Arrow: ours {ours.result['seconds']:.2f} s, {_stock(stock)}"
        self.out.add(
            "speedup_vs_stock_1m",
            seconds / ours.result["seconds"],
            how,
            is_at_size,
            seconds_1m_arrow=ours.result["seconds"],
            stock_seconds=seconds,
            stock_peak_gb=stock.peak_gb,
            stock_stopped=stock.stopped,
        )

    def write_lists(self) -> None:
        labels, count, is_at_size = self.drawn(LISTS)
        outcome = self.run("write", labels=labels, has_lists=True)
        how = f"{count:,} labels with lists to parquet in {outcome.result['seconds']:.1f} s"
        more = {"seconds_10m_lists": outcome.result["seconds"], "file_gb_10m_lists": outcome.result["file_gb"]}
        self.out.add("peak_gb_10m_lists", outcome.peak_gb, how, is_at_size, **more)

    def write_all(self) -> None:
        is_whole = self.rows is None or self.rows >= self.labels
        labels, count = (None, self.labels) if is_whole else self.drawn(LISTS)[:2]
        outcome = self.run("write", labels=labels, has_lists=False)
        how, is_at_size = f"{count:,} labels with scalars to parquet", is_whole and count >= ALL
        self.out.add("seconds_32m_scalar", outcome.result["seconds"], how, is_at_size, rows_32m_scalar=count)
        self.out.add("peak_gb_32m_scalar", outcome.peak_gb, how, is_at_size)

    def into_redis(self, address: str, kind: str) -> Outcome:
        flush(address)
        return self.run("materialize", address=address, kind=kind, **LIMITS)

    def materialize(self, source_rows: int) -> None:
        rounds = []
        with redis_server(self.folder) as address:
            for _ in range(ROUNDS):
                stock, ours = (self.into_redis(address, kind) for kind in ("stock", "ours"))
                rounds.append((ours, stock, run("raw", self.folder, address=address)))
        ours, stock, _ = (max(each, key=_seconds) for each in zip(*rounds, strict=True))
        if ours.stopped:
            raise CineFeastError(f"ours was stopped: {ours.stopped}", "cinefeast bench features --rows 100000")
        keys = ours.result["keys"]
        if len({one.result["digest"] for each in rounds for one in each[:2] if not one.stopped}) > 1:
            raise CineFeastError("ours and stock left other values in Redis", "cd feature_repo && feast apply")
        mine, theirs, raw = (statistics.median(map(_seconds, each)) for each in zip(*rounds, strict=True))
        rates = {"rows_per_s": keys / mine, "stock_rows_per_s": keys / theirs, "raw_rows_per_s": keys / raw}
        how = (
            f"{keys:,} keys out of {source_rows:,} rows: ours {rates['rows_per_s']:,.0f} keys/s, "
            f"raw pipeline {rates['raw_rows_per_s']:,.0f}, stock {rates['stock_rows_per_s']:,.0f}; "
            f"medians of {ROUNDS} in turns; slowest: {_stock(stock)}"
        )
        more = {
            "materialize_keys": keys,
            "materialize_source_rows": source_rows,
            "materialize_peak_gb": ours.peak_gb,
            "materialize_stock_peak_gb": stock.peak_gb,
            "materialize_stock_stopped": stock.stopped,
            **{f"materialize_{name}": each for name, each in rates.items()},
        }
        self.out.add("materialize_vs_stock_redis", theirs / mine, how, keys == 2 * KEYS, **more)
        how = f"{mine:.2f} s by {raw:.2f} s, a pipelined write of the same {keys:,} keys; medians of {ROUNDS} in turns"
        self.out.add("materialize_vs_raw", mine / raw, how, keys == 2 * KEYS)


def _seconds(outcome: Outcome) -> float:
    """Its seconds; of a step that was stopped the limit."""
    return LIMIT_SECONDS if outcome.stopped else outcome.result["seconds"]


def _stock(stock: Outcome) -> str:
    if stock.stopped:
        limits = f"limits {LIMIT_SECONDS} s, {LIMIT_GB} GB"
        return f"stock stopped ({stock.stopped}; {limits}), counted as {LIMIT_SECONDS} s"
    return f"stock {stock.result['seconds']:.1f} s, peak {stock.peak_gb:.1f} GB"
