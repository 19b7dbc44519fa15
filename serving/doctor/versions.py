"""Python and the packages against what the installed distribution says it needs; nothing is imported for it."""

import platform
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from serving.doctor.checks import Check

DISTRIBUTION = "cinefeast"
INSTALL = "pip install -e . (in the repository)"


def versions() -> Check:
    """Wrong where Python or a required package is missing or of another version than pyproject.toml asks for."""
    try:
        python = SpecifierSet(metadata(DISTRIBUTION)["Requires-Python"] or "")
        required = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return Check("versions", "wrong", f"{DISTRIBUTION} is not installed: nothing says what it needs", INSTALL)
    found = [] if platform.python_version() in python else [f"Python {platform.python_version()} is not {python}"]
    found += misfits(required, version)
    if found:
        return Check("versions", "wrong", "; ".join(found), INSTALL)
    count = len([requirement for requirement in required if applies(Requirement(requirement))])
    return Check("versions", "ok", f"Python {platform.python_version()} and {count} packages are as required")


def misfits(required: Iterable[str], installed: Callable[[str], str]) -> list[str]:
    """The requirements that what is installed does not meet, in words. `installed` gives a package's version."""
    found = []
    for requirement in map(Requirement, required):
        if not applies(requirement):
            continue
        try:
            has = installed(requirement.name)
        except PackageNotFoundError:
            found.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(has, prereleases=True):
            found.append(f"{requirement.name} {has} is not {requirement.specifier}")
    return found


def applies(requirement: Requirement) -> bool:
    """Whether it is needed here and to run, not by an extra."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": ""})
