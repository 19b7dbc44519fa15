"""Environment variables: values that can be used, and names that something reads."""

from serving.config import VARIABLES, given, settings, unknown
from serving.doctor.checks import Check

SETTINGS = "cinefeast settings"


def settings_check() -> Check:
    """Warn where a variable is set that nothing reads. Raises CineFeastError where a value cannot be used."""
    settings()
    strange = unknown()
    if strange:
        return Check("settings", "warn", "; ".join(strange), SETTINGS)
    count = len([name for name in VARIABLES if given(name)])
    return Check("settings", "ok", f"{count} of {len(VARIABLES)} variables are set")
