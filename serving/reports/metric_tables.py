"""metrics.json as tables and bars: what the report shows and the demo prints."""

import math
from typing import Any

from serving.reports import plots

PLOTTED = ("hit_rate@10", "ndcg@10", "hit_rate@50", "recall@500")
IN_TERMINAL = ("hit_rate@10", "ndcg@10", "hit_rate@50", "recall@50", "recall@500", "coverage@50")


def metric_sections(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """A section a protocol, the file's own protocol first and the others folded."""
    names = sorted(metrics["protocols"], key=lambda name: name != metrics["protocol"])
    return [section(name, metrics["protocols"][name], folded=name != metrics["protocol"]) for name in names]


def section(name: str, found: dict[str, Any], folded: bool) -> dict[str, Any]:
    """One protocol: tables and plots over all its models."""
    values = {**found["channels"], **found["ranking"]}
    columns = list(dict.fromkeys(metric for measured in values.values() for metric in measured))
    cut_offs = sorted({int(metric.split("@")[1]) for metric in columns})
    at = {k: [metric for metric in columns if metric.endswith(f"@{k}")] for k in cut_offs}
    return {
        "title": f"Quality: {name}",
        "about": f"{sentence(found)}. All films compete but those the user had seen. Small figures are 95% intervals "
        "over users; the best of each column is marked.",
        "folded": folded,
        "tables": [table(f"First {k}", values, found["intervals"], at[k]) for k in cut_offs],
        "plots": [
            {"title": metric, "svg": bars(metric, values, found["intervals"], name)}
            for metric in PLOTTED
            if metric in columns
        ],
    }


def table(title: str, values: dict[str, Any], intervals: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    """Models in rows, metrics in columns."""
    best = {metric: max(measured.get(metric, -1.0) for measured in values.values()) for metric in columns}
    rows = [
        {
            "name": model,
            "cells": [cell(measured.get(metric), bounds(intervals, model, metric), best[metric]) for metric in columns],
        }
        for model, measured in values.items()
    ]
    return {"title": title, "columns": columns, "rows": rows}


def terminal_table(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """One protocol in the few columns that fit a terminal, half the interval behind each number."""
    values = {**found["channels"], **found["ranking"]}
    held = [metric for metric in IN_TERMINAL if any(metric in measured for measured in values.values())]
    return table(f"{name}: {sentence(found)}", values, found["intervals"], held)


def sentence(found: dict[str, Any]) -> str:
    """Whom a protocol asked, and about what."""
    return f"{found['about']}. {found['users']:,} users"


def cell(value: float | None, interval: tuple[float, float] | None, best: float) -> dict[str, Any]:
    """A number with its interval."""
    if value is None:
        return {"text": "", "interval": None, "margin": "", "best": False}
    text = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else None
    margin = f" ±{(interval[1] - interval[0]) / 2:.3f}" if interval else ""
    return {"text": f"{value:.4f}", "interval": text, "margin": margin, "best": round(value, 4) == round(best, 4) > 0}


def bounds(intervals: dict[str, Any], model: str, metric: str) -> tuple[float, float] | None:
    """The interval of a metric; None where there is none, as of one user alone."""
    low, high = intervals.get(model, {}).get(metric) or (math.nan, math.nan)
    return None if math.isnan(low) or math.isnan(high) else (low, high)


def bars(metric: str, values: dict[str, Any], intervals: dict[str, Any], protocol: str) -> str:
    """One metric of all models with its intervals."""
    models = [model for model in values if metric in values[model]]
    return plots.intervals(
        models,
        [values[model][metric] for model in models],
        [bounds(intervals, model, metric) for model in models],
        f"{metric}, {protocol}",
    )
