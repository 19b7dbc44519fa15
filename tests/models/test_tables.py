"""The documentation says what the result files say."""

import json
from pathlib import Path
from typing import Any

import pytest

from models.evaluation import tables

PAGES = [page for page in tables.pages() if any(f"<!-- {name} -->" in page.read_text() for name in tables.SECTIONS)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_table_is_that_of_the_results(page: Path) -> None:
    """If not: make tables."""
    text = page.read_text(encoding="utf-8")
    assert tables.filled(text, "docs/" if page.name == "README.md" else "") == text


def test_there_are_pages_with_tables() -> None:
    assert {"README.md", "evaluation.md"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("path", sorted(tables.RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_result_tells_its_command(path: Path) -> None:
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["command"].startswith(("cinefeast ", "make "))
    assert result["data"].startswith("cinefeast ")


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A result of each kind, worked out by hand."""
    about = {"name": "toy", "data": "cinefeast fetch toy", "command": "do it", "commit": "a" * 40, "seeds": [0, 1]}
    values = {"hit_rate@10": 0.5, "hit_rate@50": 0.75, "recall@50": 0.75, "novelty@50": 3.25, "coverage@50": 0.125}
    spread = {"m": {"hit_rate@10": [0.4, 0.6], "novelty@50": [3.0, 3.5]}}
    found = {"about": "x", "users": 4, "channels": {"m": values}, "ranking": {}, "intervals": spread,
             "merged_ahead": {"metric": "recall@500", "of": "m", "by": 0.25, "interval": [-0.5, 1.0]}}  # fmt: skip
    test = {"ndcg@10": 0.2, "hit_rate@10": 0.5, "hit_rate@50": 0.5, "recall@500": 0.5}
    test |= {"intervals": {metric: [0.1, 0.3] for metric in test}}

    def run(variant: str, seed: int, recall: float) -> dict[str, Any]:
        return {"variant": variant, "seed": seed, "validation": {"recall@50": recall}, "fit_seconds": 2.0,
                "test": {"time-streaming": test}}  # fmt: skip

    def cold_run(variant: str, seed: int, each: list[float]) -> dict[str, Any]:
        cold = {"users": 3, "each": {"recall@500": each}, "recall@50": 0.1, "recall@500": sum(each) / 3,
                "intervals": {"recall@50": [0.0, 0.2], "recall@500": [0.0, 0.5]}}  # fmt: skip
        return {**run(variant, seed, 0.3), "test": {"time-streaming": test, "time-streaming-cold-films": cold}}

    runs = [run("as configured", 0, 0.2), run("as configured", 1, 0.4), run("x = 2", 0, 0.1)]
    files = {
        "toy": {**about, "protocols": {"time-streaming": found}},
        "peers-toy": {**about, "protocol": "time-streaming", "users": 4, "ours": {"m": {"fit_seconds": 7, **values}},
                      "peers": {"p": {"fit_seconds": 1.25, **values}}, "intervals": spread},
        "ablation-m-text-toy": {**about, "model": "m", "ablation": "text", "about": "why", "texts": "t-model", "runs": [
            cold_run("as configured", 0, [0.5, 1.0, 0.25]), cold_run("as configured", 1, [0.5, 1.0, 0.75]),
            cold_run("no text", 0, [0.5, 0.0, 0.5]), cold_run("no text", 1, [0.5, 0.5, 0.0]),
        ]},
        "ablation-m-x-toy": {**about, "model": "m", "ablation": "x", "about": "why x", "runs": runs},
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    return tmp_path


def test_text_vectors_by_hand(written: Path) -> None:
    """Users gain 0, 0.75 and 0.25 over both seeds: 1/3 on average, and 1.96 * 0.3819 / sqrt(3) either way."""
    text = tables.filled("<!-- text vectors -->\n<!-- /text vectors -->\n", "")
    assert "**toy**, `m`, texts by t-model, 2 seeds, 3 users of cold films\n" in text
    assert "| no text | 0.100 ±0.100 | 0.333 ±0.250 | +0.333 (-0.099 to +0.765) | 0.500 ±0.100 |\n" in text
    assert "| as configured | 0.100 ±0.100 | 0.667 ±0.250 |  | 0.500 ±0.100 |\n" in text
    assert text.count("**toy**") == 1  # of m x no cold film was asked for


def test_tables_by_hand(written: Path) -> None:
    places = [f"<!-- {name} -->\nold\n<!-- /{name} -->\n" for name in ("tables", "peers", "ablations")]
    page = "\n".join(["a", *places])
    text = tables.filled(page, "")
    assert "old" not in text
    assert text.startswith(
        "a\n<!-- tables -->\n### toy\n\nData: `cinefeast fetch toy`. Measured: `do it`, commit aaaaaaaaaaaa,"
    )
    assert "seeds 0, 1; all figures in [results/toy.json](results/toy.json).\n" in text
    assert "| | hit_rate@10 | hit_rate@50 | novelty@50 | coverage@50 |\n" in text  # recall@50 would say it again
    assert "| m | 0.500 ±0.100 | 0.750 | 3.250 ±0.250 | 0.125 |\n" in text
    assert "Merged, recall@500: +0.250 over `m` (-0.500 to +1.000, paired).\n" in text
    assert "| *p* | 1.2 | 0.500 | 0.750 | 3.250 | 0.125 |\n" in text
    assert "| as configured | 0.300 | 0.500 ±0.100 | 0.200 ±0.100 | 0.500 ±0.100 | 0.500 ±0.100 | 2.0 |\n" in text
    assert "| x = 2 | 0.100 | " in text
    assert tables.filled(text, "") == text
