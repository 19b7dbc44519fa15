"""`cinefeast tables`: the tables of the documentation, made of docs/results alone.

A page has a table where it has `<!-- NAME -->` and `<!-- /NAME -->`; what is between is rewritten.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.evaluation.record import CHECKOUT, RESULTS
from models.metrics.ranked_lists import mean_and_interval
from models.rank.registry import RANK

COLUMNS = ("hit_rate@10", "ndcg@10", "hit_rate@50", "recall@50", "recall@500")
RANKED = ("ndcg@10", "hit_rate@10", "mrr@10", "auc", "gauc", "logloss", "ece")
MOST = 15
LISTS = ("debiased_hit_rate@50", "novelty@50", "coverage@50")
Result = dict[str, Any]


def rewrite(others: Mapping[str, Callable[[str], str]] = {}) -> list[Path]:
    """Put the tables, and `others`, into every page that has a place for them; the pages that changed."""
    changed = []
    for page in pages():
        before = page.read_text(encoding="utf-8")
        after = filled(before, "docs/" if page.parent == CHECKOUT else "", others)
        if after != before:
            page.write_text(after, encoding="utf-8")
            changed.append(page)
    return changed


def pages() -> list[Path]:
    """The pages that may hold tables."""
    return [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]


def filled(text: str, place: str, others: Mapping[str, Callable[[str], str]] = {}) -> str:
    """A page with its tables as the results have them, and `others`; `place` leads from it to docs/."""
    for name, make in {**SECTIONS, **others}.items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if start in text and end in text:
            before, _, rest = text.partition(start)
            text = before + start + make(place) + end + rest.partition(end)[2]
    return text


def results(pattern: str, key: str) -> list[tuple[str, Result]]:
    """Result files by name that have `key`, in order of their names."""
    found = [(path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(RESULTS.glob(pattern))]
    return [(name, result) for name, result in found if key in result]


def table(head: str, columns: Iterable[str], rows: dict[str, list[str]]) -> str:
    """A table in Markdown."""
    columns = list(columns)
    lines = ["| " + " | ".join([head, *columns]).lstrip() + " |", "|---" * (len(columns) + 1) + "|"]
    return "\n".join([*lines, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items())]) + "\n"


def number(value: float | None, interval: list[float] | None = None) -> str:
    """A figure to three digits and half its interval."""
    if value is None:
        return ""
    margin = "" if interval is None or np.isnan(interval).any() else f" ±{(interval[1] - interval[0]) / 2:.3f}"
    return f"{value:.3f}{margin}"


def measured(
    values: dict[str, Result], intervals: Result, columns: Iterable[str]
) -> tuple[list[str], dict[str, list[str]]]:
    """Columns that some row has, and the rows. With one target a user recall is hit rate, and told once."""
    held = [column for column in columns if any(column in row for row in values.values())]
    if all(row.get("recall@50") == row.get("hit_rate@50") for row in values.values()) and "hit_rate@50" in held:
        held = [column for column in held if column != "recall@50"]
    rows = {n: [number(v.get(c), intervals.get(n, {}).get(c)) for c in held] for n, v in values.items()}
    return held, rows


def origin(name: str, result: Result, place: str) -> str:
    """Which data, which command, which commit, which seeds, which file."""
    parts = [f"Data: `{result['data']}`. Measured: `{result['command']}`"]
    if "commit" in result:
        commit, _, dirty = result["commit"].partition("-")
        parts.append(f"commit {commit[:12]}{' with changes' if dirty else ''}")
    if result.get("seeds"):
        parts.append(f"seeds {', '.join(map(str, result['seeds']))}")
    return f"{', '.join(parts)}; all figures in [results/{name}.json]({place}results/{name}.json).\n"


def every_protocol(place: str) -> str:
    """docs/evaluation.md: each data set, each protocol, all that was measured."""
    blocks = []
    for name, result in results("*.json", "protocols"):
        blocks.append(f"### {name}\n\n{origin(name, result, place)}")
        for protocol, found in result["protocols"].items():
            columns, rows = measured(found["channels"] | found["ranking"], found["intervals"], (*COLUMNS, *LISTS))
            blocks.append(f"**{protocol}**, {found['users']} users\n\n{table('', columns, rows)}{ahead(found)}")
    return "\n".join(blocks)


def ahead(found: Result) -> str:
    """The merge beside the best single channel, in a sentence."""
    if "merged_ahead" not in found:
        return ""
    a = found["merged_ahead"]
    low, high = a["interval"]
    return f"\nMerged, {a['metric']}: {a['by']:+.3f} over `{a['of']}` ({low:+.3f} to {high:+.3f}, paired).\n"


def streaming(place: str) -> str:
    """README.md: the main protocol in few columns."""
    blocks = []
    for name, result in results("*.json", "protocols"):
        found = result["protocols"].get("time-streaming")
        if found:
            columns, rows = measured(
                found["channels"] | found["ranking"], found["intervals"], [c for c in COLUMNS if c != "recall@50"]
            )
            ranker = next((name for name in RANK if name in result["models"].get("time", {})), "a ranker")
            rows = {{"two_stage": f"recall, then `{ranker}`"}.get(n, n): cells for n, cells in rows.items()}
            blocks.append(
                f"**{name}**, {found['users']} users: `{result['data']}`\n\n{table('streaming', columns, rows)}"
            )
    return "\n".join(blocks)


def peers(place: str) -> str:
    """Other libraries beside ours: quality and seconds of training."""
    blocks = []
    for name, result in results("peers-*.json", "peers"):
        values = result["ours"] | {f"*{peer}*": found for peer, found in result["peers"].items()}
        intervals = {n: result["intervals"].get(n.strip("*"), {}) for n in values}
        columns, rows = measured(values, intervals, (*COLUMNS, *LISTS))
        seconds = {n: v.get("fit_seconds") for n, v in values.items()}
        rows = {n: ["" if (s := seconds[n]) is None else f"{s:.1f}", *cells] for n, cells in rows.items()}
        head = f"### {result['name']}, {result['protocol']}, {result['users']} users\n\n{origin(name, result, place)}"
        blocks.append(f"{head}\n{table('', ['training, s', *columns], rows)}")
    return "\n".join(blocks)


def ablations(place: str, of_rankers: bool = False) -> str:
    """docs/recall.md: each ablation, a row a variant, averaged over seeds; docs/ranking.md those of rankers."""
    blocks = []
    decisive = "ndcg@10" if of_rankers else "recall@50"
    for name, result in results("ablation-*.json", "runs"):
        if (result["model"] in RANK) != of_rankers:
            continue
        test = next(iter(result["runs"][0]["test"]))
        columns = [c for c in COLUMNS if test == "time-frozen-all" or c != "recall@50"]
        columns = [c for c in columns if not of_rankers or c != "recall@500"]  # ranking changes nothing of that
        by_variant: dict[str, list[Result]] = {}
        for run in result["runs"]:
            by_variant.setdefault(run["variant"], []).append(run)
        rows = {variant: ablated(runs, test, columns, decisive) for variant, runs in by_variant.items()}
        head = f"### `{result['model']}`, {result['ablation']}, on {result['name']}: {result['about']}"
        content = table("", [f"validation {decisive}", *(f"{test} {c}" for c in columns), "training, s"], rows)
        blocks.append(f"{head}\n\n{origin(name, result, place)}\n{content}")
    return "\n".join(blocks)


def ablated(runs: list[Result], test: str, columns: list[str], decisive: str) -> list[str]:
    """One variant's cells, averaged over its seeds, with the users' interval."""

    def mean(values: list[Any]) -> Any:
        return np.mean(values, axis=0)

    cells = [number(mean([run["validation"][decisive] for run in runs]))]
    for column in columns:
        cells.append(averaged([run["test"] for run in runs], test, column))
    return [*cells, f"{mean([run['fit_seconds'] for run in runs]):.1f}"]


def text_vectors(place: str) -> str:
    """docs/metadata.md: a channel with and without the vectors of films' texts, on films that few have rated."""
    blocks = []
    for name, result in results("ablation-*-text-*.json", "runs"):
        by_variant: dict[str, list[Result]] = {}
        for run in result["runs"]:
            by_variant.setdefault(run["variant"], []).append(run["test"])
        main, *_, cold = result["runs"][0]["test"]
        if not cold.endswith("cold-films"):  # it has none
            continue
        first = by_variant["as configured"]
        rows = {}
        for variant, runs in by_variant.items():
            rows[variant] = [averaged(runs, cold, "recall@50"), averaged(runs, cold, "recall@500"),
                             "" if runs is first else ahead_by(first, runs, cold, "recall@500"),
                             averaged(runs, main, "recall@500")]  # fmt: skip
        columns = [f"{cold} recall@50", "recall@500", "`as configured` is ahead by", f"{main} recall@500"]
        head = f"**{result['name']}**, `{result['model']}`, texts by {result['texts']}, "
        head += f"{len(first)} seed{'s' * (len(first) > 1)}, {first[0][cold]['users']} users of cold films"
        blocks.append(f"{head}\n\n{table('', columns, rows)}\n{origin(name, result, place)}")
    return "\n".join(blocks)


def averaged(runs: list[Result], test: str, metric: str) -> str:
    """A metric over seeds, with the users' interval."""
    intervals = np.mean([run[test]["intervals"][metric] for run in runs], axis=0)
    return number(float(np.mean([run[test][metric] for run in runs])), list(intervals))


def ahead_by(first: list[Result], second: list[Result], test: str, metric: str) -> str:
    """By how much the first runs are ahead, user by user over seeds, with the interval of the paired difference."""
    each = [np.mean([run[test]["each"][metric] for run in runs], axis=0) for runs in (first, second)]
    by, (low, high) = mean_and_interval(each[0] - each[1], least=-1.0)
    return f"{by:+.3f} ({low:+.3f} to {high:+.3f})"


def rankers(place: str) -> str:
    """docs/ranking.md: each data set's rankers side by side, by subgroup, with ratings and importance."""
    return "\n".join(side_by_side(name, result, place) for name, result in results("rankers-*.json", "rankers"))


def side_by_side(name: str, result: Result, place: str) -> str:
    """One data set's rankers."""
    every = result["orders"] | {f"`{n}`": found for n, found in result["rankers"].items()}
    over = {f"`{n}`": f"{a['share']:+.1%}, {low_to_high(a['interval'])}" for n, a in result["ahead"].items()}
    rows = {
        n: [*(number(of["metrics"].get(c), of["intervals"].get(c)) for c in RANKED), over.get(n, "")]
        for n, of in every.items()
    }
    groups: dict[str, Result] = result["subgroups"]
    names = [key for key in next(iter(groups.values())) if key != "questions"]
    by_group = {g: [str(of["questions"]), *(number(of[n]) for n in names)] for g, of in groups.items()}
    errors = {n: [number(value)] for n, value in result["rating"].items()}
    asked = f"{result['users']} users, {result['groups']} groups to learn from, {result['test_groups']} judged."
    parts = [
        f"### {result['name']}\n\n{origin(name, result, place)}\n{asked}\n",
        table("", [*RANKED, "ndcg@10 over recall's order"], rows),
        "NDCG@10 by subgroup:\n\n" + table("", ["questions", *names], by_group),
        "RMSE of ratings:\n\n" + table("", ["stars"], errors),
    ]
    for ranker, found in result["rankers"].items():
        most = {n: [f"{value:.4f}"] for n, value in list(found["importance"].items())[:MOST]}
        if most:
            parts.append(f"GAUC that `{ranker}` loses when a feature changes places:\n\n" + table("", ["GAUC"], most))
    return "\n".join(parts)


def low_to_high(interval: list[float]) -> str:
    """An interval of differences."""
    return f"{interval[0]:+.4f} to {interval[1]:+.4f}"


SECTIONS: dict[str, Callable[[str], str]] = {
    "tables": every_protocol,
    "results": streaming,
    "peers": peers,
    "ablations": ablations,
    "text vectors": text_vectors,
    "rankers": rankers,
    "rank-ablations": lambda place: ablations(place, of_rankers=True),
}
"""What may stand in a page, by the name in its markers."""
