"""Files in memory, where the system has room for them: these tests make hundreds of thousands.

What a disk does is tried elsewhere, with the service as a whole.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

#: Bytes; many times what all of these tests take at once. A container may have 64 MiB there.
_ROOM: Final = 1 << 30
_MEMORY: Final = Path("/dev/shm")
#: Where temporary folders go; None: where the system wants them.
FOLDER: Final = _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _ROOM else None


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """An empty folder."""
    if FOLDER is None:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        yield Path(folder)
