"""What a check finds, and what the findings add up to."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from dbt_project.errors import CineFeastError

Status = Literal["ok", "warn", "wrong"]
ORDER: tuple[Status, ...] = ("ok", "warn", "wrong")
FEATURE_ORDER = ("ok", "watch", "drifted", "wrong")


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, how it stands, and unless it is ok, the command to run next."""

    name: str
    status: Status
    detail: str
    next: str | None = None


@dataclass(frozen=True)
class FeatureCheck:
    """One feature of one service. Shares are 0 to 1, None where there was nothing to compare.

    psi: training window against online; None also for identifiers
    differs: share of the sampled keys whose value online is not the one that the warehouse holds now
    status: ok, watch or drifted by PSI; wrong where values are lost or are not the warehouse's
    """

    service: str
    feature: str
    null_share_training: float | None
    null_share_online: float | None
    psi: float | None
    differs: float | None
    status: Literal["ok", "watch", "drifted", "wrong"]


@dataclass
class Diagnosis:
    """All findings, in the order of the chain."""

    checks: list[Check] = field(default_factory=list)
    features: list[FeatureCheck] = field(default_factory=list)

    @property
    def status(self) -> Status:
        """The worst of all checks."""
        return worst(self.checks)

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {"status": self.status, **asdict(self)}

    def attempt(self, name: str, next_command: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """What `work` returns; where it fails, None and a check that says so: the other checks still run."""
        try:
            return work(*arguments)
        except CineFeastError as error:
            self.checks.append(Check(name, "wrong", one_line(error.what), error.next_command))
        except Exception as error:  # whatever is broken in a workspace is a finding, not the end of the examination
            self.checks.append(Check(name, "wrong", one_line(f"{type(error).__name__}: {error}"), next_command))
        return None

    def run(self, name: str, next_command: str, work: Callable[..., Check], *arguments: Any) -> None:
        """Add the check that `work` returns."""
        check = self.attempt(name, next_command, work, *arguments)
        if check is not None:
            self.checks.append(check)


def worst(checks: Sequence[Check]) -> Status:
    """The worst status among them; ok where there are none."""
    return max((check.status for check in checks), key=ORDER.index, default="ok")


def combined(name: str, findings: Sequence[Check], otherwise: str) -> Check:
    """One check of several findings about the same thing, the worst first; ok with `otherwise` where there are none."""
    if not findings:
        return Check(name, "ok", otherwise)
    ordered = sorted(findings, key=lambda check: -ORDER.index(check.status))
    return Check(name, ordered[0].status, "; ".join(check.detail for check in ordered), ordered[0].next)


def listed(names: Sequence[str], most: int = 6) -> str:
    """The first few names and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def one_line(text: str) -> str:
    """The first line of a message that may have many."""
    return " ".join(text.strip().splitlines()[0].split())[:300] if text.strip() else text
