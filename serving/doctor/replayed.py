"""What the last `cinefeast replay` found: whether what was served is what was known then."""

import json
from datetime import UTC, datetime, timedelta

from dbt_project.workspace import Workspace
from serving.doctor.checks import Check, listed
from serving.monitoring.replay import Summary, result_file
from serving.monitoring.retention import newest_log
from serving.statistics.thresholds import REPLAYED_DAYS

REPLAY = "cinefeast replay"


def replay_check(space: Workspace) -> Check:
    """Warn where values differ, or where features were logged and are not replayed; wrong where nobody can tell."""
    path, logged_at = result_file(space), newest_log(space.logs)
    if logged_at is None:
        return Check("replay", "ok", "no served features are logged")
    if not path.exists():
        return Check("replay", "warn", f"served features are logged in {space.logs} and were never replayed", REPLAY)
    try:
        last = Summary(**json.loads(path.read_text(encoding="utf-8")))
        ran_at = datetime.fromisoformat(last.at).astimezone(UTC)
        share = last.same / last.values if last.values else 1.0
    except (OSError, ValueError, TypeError) as error:
        return Check("replay", "wrong", f"{path} is damaged: {error}", REPLAY)
    part = f" of answers since {last.since}" if last.since else ""
    told = (
        f"{share:.2%} of {last.values:,} served values{part} are what was known then (replayed {ran_at:%Y-%m-%d %H:%M})"
    )
    if last.same < last.values:
        differing = sorted(last.differing, key=lambda name: -last.differing[name])
        return Check("replay", "warn", f"{told}; others are of {listed(differing)}", REPLAY)
    if ran_at < datetime.now(UTC) - timedelta(days=REPLAYED_DAYS) and logged_at > ran_at:
        return Check("replay", "warn", f"{told}, over {REPLAYED_DAYS} days ago; more was served since", REPLAY)
    return Check("replay", "ok", told)
