"""Events that were accepted and are not in the online features."""

from dbt_project.workspace import Workspace
from serving.doctor.checks import Check, combined
from serving.events.ledger import read_backlog
from serving.events.ledger_file import moved_aside

SERVE = "cinefeast serve"


def events_check(space: Workspace) -> Check:
    """How many events wait, how many were set aside, and damaged ledgers. CineFeastError where this one is."""
    path = space.events / "accepted.db"
    backlog, findings = read_backlog(path), []
    if backlog.waiting:
        what = f"{backlog.waiting:,} events wait for the online features"
        findings.append(Check("events", "warn", what, f"{SERVE}, which tries them again, and look at its log"))
    if backlog.set_aside:
        what = f"{backlog.set_aside:,} events cannot be read and are online after the next build alone"
        command = f"sqlite3 {path} 'select event_id, reason from set_aside'"
        findings.append(Check("events", "warn", what, command))
    for file in moved_aside(path):
        what = f"{file} was damaged: events of it that waited are online after the next build and materialize"
        findings.append(Check("events", "warn", what, f"rm {file}*, which names users, once that is done"))
    return combined("events", findings, "every accepted event is in the online features")
