"""The report and the demo's printout, as the chain left them."""

import json
import re

from tests.conftest import Demo


def test_report_holds_metrics_data_and_accounting(demo: Demo) -> None:
    page = (demo.root / "reports" / "report.html").read_text(encoding="utf-8")
    metrics = json.loads((demo.root / "reports" / "metrics.json").read_text())
    for name in [*metrics["channels"], *metrics["ranking"]]:
        assert name in page
    for title in ("Ratings per month", "Activity of users", "Popularity of films", "Ratings by genre", "TMDb"):
        assert title in page
    assert f"<td>{demo.data.rating_lines:,}</td>" in page
    assert page.count("<svg") == page.count("</svg>") >= 5
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)), "ids of two plots collide"
    assert not re.findall(r'(?:src|href)="(?!#)', page), "the page needs another file"


def test_rejected_rows_are_shown_with_their_reason(demo: Demo) -> None:
    page = (demo.root / "reports" / "report.html").read_text(encoding="utf-8")
    assert page.count('class="raw"') >= len(demo.data.rejected)


def test_demo_prints_commands_metrics_users_and_seconds(demo: Demo) -> None:
    output = demo.output
    for typed in ("$ cinefeast fetch", "$ (cd dbt_project && dbt", "$ (cd feature_repo && feast apply)",
                  "feast materialize 1970-01-01T00:00:00", "$ cinefeast train", "$ cinefeast evaluate"):  # fmt: skip
        assert typed in output
    assert len(re.findall(r"^user \d+ \(known; strategy two_stage\)", output, re.M)) == 3
    assert re.search(r"^user \d+ \(user \d+ has no features online; strategy popularity\)", output, re.M)
    assert "stars)" in output
    assert re.search(r"together +│ +\d", output)
