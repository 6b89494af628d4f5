"""How many files and connections this process may have open."""

from __future__ import annotations

import sys
from typing import Final

if sys.platform != "win32":
    import resource

__all__ = ["open_files_limit", "raise_open_files_limit"]

#: Files that a process may have open, where the system allows it. Without end is not allowed
#: everywhere, not even where the limit is said to be that.
_MOST: Final = 65536


def open_files_limit() -> int:
    """Files and connections that may be open at once; ``_MOST`` where there is no limit."""
    if sys.platform == "win32":
        return _MOST
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else soft


def raise_open_files_limit() -> None:
    """Take what the system lets this process have.

    A merge has all partials open, of which a huge file has thousands; a service has a connection
    for each client.
    """
    if sys.platform == "win32":
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST if hard == resource.RLIM_INFINITY else min(_MOST, hard)
    if open_files_limit() < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
