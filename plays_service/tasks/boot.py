"""Whether the system has been started anew since: a power cut may have taken what was written."""

from __future__ import annotations

import logging
from pathlib import Path

__all__ = ["BootMark"]

_log = logging.getLogger(__name__)


class BootMark:
    """A file that tells which start of the system has written what lies beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_of_this_boot(self) -> bool:
        """Whether all was written since the system started. Raises `OSError`."""
        boot = _boot_id()
        try:
            return boot is not None and self._path.read_text(encoding="utf-8") == boot
        except (FileNotFoundError, ValueError):
            return False

    def set(self) -> None:
        """From now on all is written under this start of the system."""
        try:
            self._path.write_text(_boot_id() or "", encoding="utf-8")
        except OSError as error:  # a full disk: the next start deletes more than it must
            _log.warning("cannot note this start of the system: %s", error)


def _boot_id() -> str | None:
    """What tells this start of the system from all others; None where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None
