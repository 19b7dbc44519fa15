"""The report's plots as inline SVG, in colours that follow the page's light or dark scheme.

Every function takes columns as they come from the reporting tables and returns an `<svg>` element.
"""

import io
import re
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")

from matplotlib.figure import Figure

# Stand-ins: matplotlib writes them into the SVG, `svg` swaps them for the page's CSS colours.
INK, FAINT, MAIN, SECOND = "#010203", "#040506", "#070809", "#0a0b0c"
CSS = {INK: "var(--ink)", FAINT: "var(--line)", MAIN: "var(--main)", SECOND: "var(--second)"}
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
}


def svg(figure: Figure, name: str) -> str:
    """The figure as an element to inline; `name` keeps the ids of two figures on one page apart."""
    text = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure.savefig(text, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    element = text.getvalue()
    element = re.sub(r"<metadata>.*?</metadata>", "", element[element.index("<svg") :], flags=re.DOTALL)
    for stand_in, colour in CSS.items():
        element = element.replace(stand_in, colour)
    # Most ids ("figure_1", "patch_2") repeat between figures, and nothing refers to them.
    used = set(re.findall(r"#([\w.]+)[\")]", element))
    element = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", element)
    return element.replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)


def axes(width: float = 7.2, height: float = 2.9) -> tuple[Figure, Any]:
    """An empty figure and its axes."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        return figure, figure.add_subplot()


def by_month(months: Sequence[Any], ratings: Sequence[int]) -> str:
    """Ratings per month."""
    figure, ax = axes(10.6, 2.4)
    ax.fill_between(months, ratings, color=MAIN, alpha=0.25, linewidth=0)
    ax.plot(months, ratings, color=MAIN, linewidth=1.6)
    ax.set_ylim(bottom=0)
    return svg(figure, "ratings per month")


def tail(x: Sequence[int], y: Sequence[float], name: str, x_label: str, y_label: str) -> str:
    """A tail, on log-log axes. Of thousands of points those are drawn that the axis can tell apart."""
    places = np.unique(np.geomspace(1, max(len(x), 1), 250).astype(int)) - 1
    x, y = np.asarray(x)[places[: len(x)]], np.asarray(y)[places[: len(x)]]
    figure, ax = axes(5.2, 3.4)
    ax.loglog(x, y, color=MAIN, linewidth=0, marker="o", markersize=3, alpha=0.7)
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    return svg(figure, name)


def shares(names: Sequence[str], values: Sequence[float], name: str, colour: str = MAIN) -> str:
    """Horizontal bars of shares, first name on top."""
    figure, ax = axes(5.2, 0.5 + 0.24 * len(names))
    places = range(len(names))[::-1]
    ax.barh(places, [100 * value for value in values], color=colour, height=0.68)
    ax.set_yticks(places, names)
    ax.set_xlabel("%")
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.grid(visible=False, axis="y")
    return svg(figure, name)


def intervals(names: Sequence[str], values: Sequence[float], bounds: Sequence[Any], name: str) -> str:
    """Bars with their 95% intervals; `bounds` holds (low, high) or None."""
    figure, ax = axes(5.2, 0.6 + 0.34 * len(names))
    places = list(range(len(names)))[::-1]
    ax.barh(places, values, color=MAIN, height=0.62, alpha=0.85)
    for place, value, bound in zip(places, values, bounds, strict=True):
        if bound:
            low, high = bound
            error = [[max(value - low, 0)], [max(high - value, 0)]]
            ax.errorbar(value, place, xerr=error, color=INK, capsize=3, linewidth=1.2)
    ax.set_yticks(places, names)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.set_xlim(left=0)
    ax.grid(visible=False, axis="y")
    return svg(figure, name)
