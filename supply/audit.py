"""`make audit`: known vulnerabilities, the hash file against the lock, and the licences of what is installed.

Exit code 1 where something is wrong. A vulnerability service that cannot be asked is said and is no failure, since a
build without a network has the other two checks all the same; it is never reported as "nothing known".
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from supply.hash_file import HASHES, ROOT, disagreements, locked
from supply.licences import installed

__all__ = ["Vulnerabilities", "main", "read_report"]

_SECONDS = 300


@dataclass(frozen=True)
class Vulnerabilities:
    """What the service said: packages asked about and answered, and each known vulnerability as a line."""

    asked: int
    answered: int
    known: tuple[str, ...]

    def __str__(self) -> str:
        """One sentence, or one line for each vulnerability."""
        if self.known:
            return "\n".join(self.known)
        if not self.answered:
            return "Known vulnerabilities: not checked, as the package index's service cannot be reached from here."
        rest = f"; it did not answer for {self.asked - self.answered}" if self.asked > self.answered else ""
        return f"Known vulnerabilities: none in {self.answered} packages{rest}."


def read_report(text: str) -> Vulnerabilities:
    """Read pip-audit's JSON; what is no such report counts as a service that did not answer."""
    try:
        report: Any = json.loads(text)
        rows = [(one["name"], one.get("version"), one.get("vulns")) for one in report["dependencies"]]
        known = [
            f"{name} {version}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'no version'}"
            for name, version, vulns in rows
            for found in vulns or ()
        ]
    except (ValueError, KeyError, TypeError):
        return Vulnerabilities(0, 0, ())
    return Vulnerabilities(len(rows), sum(vulns is not None for _, _, vulns in rows), tuple(known))


def main() -> int:
    """Look at everything and print it."""
    found = _ask()
    print(found)
    differing = disagreements((ROOT / "constraints.txt").read_text(encoding="utf-8"), locked(HASHES.read_text("utf-8")))
    print("\n".join(differing) or "Hashes: hashes.txt has every package of constraints.txt in the same version.")
    licences = installed()
    unfit = [one for one in licences if not one.fits]
    for one in licences:
        if one.why or not one.fits:
            print(f"{one.package} {one.version} ({one.said or 'no licence named'}): {one.why or 'NOT ALLOWED'}")
    print(f"Licences: {len(licences)} packages are installed, {len(unfit)} under a licence that is not on the list.")
    return 1 if found.known or differing or unfit else 0


def _ask() -> Vulnerabilities:
    """Ask about every package of the hash file; nothing is installed or built for it."""
    options = ("--disable-pip", "--require-hashes", "--progress-spinner", "off", "--format", "json")
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(HASHES), *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 - our own arguments
    except subprocess.TimeoutExpired:
        return Vulnerabilities(0, 0, ())
    return read_report(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
