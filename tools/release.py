"""A release in one step: ``python tools/release.py make 1.2.3``, or ``make release VERSION=1.2.3``.

The version goes into the package, the unreleased part of the changelog gets its name and date, and
both become a commit with a tag. Pushing that tag starts the release workflow.

``python tools/release.py notes 1.2.3`` prints what the changelog says of a version.
"""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PACKAGE: Final = Path("plays_service", "__init__.py")
CHANGELOG: Final = Path("CHANGELOG.md")
UNRELEASED: Final = "## Unreleased\n"
#: As semantic versioning (2.0.0) has it, in the form that Python's packages share.
VERSION: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+((a|b|rc)[0-9]+)?")


class ReleaseError(RuntimeError):
    """This cannot be released; the text says why."""


def make(version: str, root: Path = ROOT) -> None:
    """Commit and tag the version. Raises `ReleaseError`, and then nothing has changed."""
    if not VERSION.fullmatch(version):
        raise ReleaseError(f"{version!r} is no version such as 1.2.3 or 1.2.3rc1")
    if git(root, "status", "--porcelain"):
        raise ReleaseError("there are changes that are not committed")
    if git(root, "tag", "--list", f"v{version}"):
        raise ReleaseError(f"the tag v{version} is there already")
    changelog = (root / CHANGELOG).read_text()
    if not notes_under(changelog, UNRELEASED):
        raise ReleaseError(f"{CHANGELOG} has nothing under {UNRELEASED.strip()!r}")
    today = datetime.now(UTC).date()
    heading = f"{UNRELEASED}\n## {version} ({today})\n"
    (root / CHANGELOG).write_text(changelog.replace(UNRELEASED, heading, 1))
    package = (root / PACKAGE).read_text()
    line = f'__version__ = "{version}"'
    (root / PACKAGE).write_text(re.sub(r'__version__ = ".*"', line, package, count=1))
    git(root, "commit", "--quiet", "--message", f"Release {version}", str(PACKAGE), str(CHANGELOG))
    git(root, "tag", "--annotate", "--message", f"plays-service {version}", f"v{version}")


def notes(version: str, root: Path = ROOT) -> str:
    """What changed in a version. Raises `ReleaseError` where the changelog does not say."""
    changelog = (root / CHANGELOG).read_text()
    found = re.search(rf"^## {re.escape(version)} \(.*\)\n", changelog, re.MULTILINE)
    text = notes_under(changelog, found[0]) if found else ""
    if not text:
        raise ReleaseError(f"{CHANGELOG} says nothing of {version}")
    return text


def notes_under(changelog: str, heading: str) -> str:
    """The text between this heading and the next."""
    return changelog.partition(heading)[2].partition("\n## ")[0].strip()


def git(root: Path, *arguments: str) -> str:
    """What git prints. Raises `ReleaseError` where it fails."""
    done = subprocess.run(
        ["git", *arguments], cwd=root, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise ReleaseError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def main(arguments: list[str]) -> int:
    """The exit status."""
    try:
        match arguments:
            case ["make", version]:
                make(version)
                print(
                    f"v{version} is committed and tagged; publish it with: git push --follow-tags"
                )
            case ["notes", version]:
                print(notes(version))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
