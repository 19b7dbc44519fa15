"""Known vulnerabilities of the packages of this environment: exits with 1 where there are any.

A service that cannot be asked is told in one line and fails nothing: a build does not depend on it. Which service is
asked is pip-audit's own setting (PIP_AUDIT_VULNERABILITY_SERVICE, PIP_AUDIT_OSV_URL).
"""

import json
import os
import re
import subprocess
import sys

UNREACHABLE = re.compile(r"requests\.exceptions\.|ServiceError|Could not connect|not redirecting")


PATIENCE = float(os.environ.get("AUDIT_SECONDS", "240"))
"""Seconds: pip-audit asks for one package after another, and waits for each."""


def main() -> int:
    """The exit code."""
    command = [sys.executable, "-m", "pip_audit", "--skip-editable", "--progress-spinner", "off", "--format", "json"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        print(f"not audited: no answer in {PATIENCE:g} seconds")
        return 0
    if not ran.stdout:
        last = ran.stderr.strip().splitlines()[-1:] or ["no output"]
        if not UNREACHABLE.search(ran.stderr):
            print(ran.stderr, file=sys.stderr)
            return 1
        print(f"not audited: {last[0]}")
        return 0
    packages = json.loads(ran.stdout)["dependencies"]
    audited = [package for package in packages if "vulns" in package]
    for package in audited:
        for found in package["vulns"]:
            fixed = ", ".join(found["fix_versions"]) or "no version"
            print(f"{package['name']} {package['version']}: {found['id']} (fixed in {fixed})")
    if not audited:
        print(f"not audited: the service knows none of the {len(packages)} packages")
    else:
        left = len(packages) - len(audited)
        print(f"audited {len(audited)} packages; {left} could not be" if left else f"audited {len(audited)} packages")
    return int(any(package["vulns"] for package in audited))


if __name__ == "__main__":
    sys.exit(main())
