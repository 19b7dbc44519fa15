"""Events that were accepted and are not in the online features."""

from dbt_project.workspace import Workspace
from serving.doctor.checks import Check, combined
from serving.events.ledger import read_backlog

SERVE = "cinefeast serve"


def events_check(space: Workspace) -> Check:
    """How many events wait, and how many were set aside. CineFeastError where the ledger cannot be used."""
    path = space.events / "accepted.db"
    backlog, findings = read_backlog(path), []
    if backlog.waiting:
        what = f"{backlog.waiting:,} events wait for the online features"
        findings.append(Check("events", "warn", what, f"{SERVE}, which tries them again, and look at its log"))
    if backlog.set_aside:
        what = f"{backlog.set_aside:,} events cannot be read and are online after the next build alone"
        command = f"sqlite3 {path} 'select event_id, reason from set_aside'"
        findings.append(Check("events", "warn", what, command))
    return combined("events", findings, "every accepted event is in the online features")
