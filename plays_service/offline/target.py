"""Where a result goes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from plays_service.aggregation.publish import publish
from plays_service.offline.scratch import scratch_folder

__all__ = ["STREAM", "Target"]

#: Stands for standard input and standard output.
STREAM: Final = Path("-")

_BLOCK_SIZE: Final = 1 << 20


class Target:
    """A file, which appears whole or not at all; or standard output, a device or a pipe.

    These get nothing before all of it is known.
    """

    def __init__(self, output: Path) -> None:
        """Raises `FileNotFoundError` where the folder for the output is not there."""
        self._path = output if output == STREAM else output.resolve()
        self._streams = output == STREAM or (output.exists() and not output.is_file())
        if not self._path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {output.parent}")

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for what is needed meanwhile: beside the file, else that for such files."""
        parent = Path(tempfile.gettempdir()) if self._streams else self._path.parent
        with scratch_folder(parent) as folder:
            yield folder

    def deliver(self, result: Path, *, fsync: bool = False) -> None:
        """Let the file ``result`` from the folder be it. Raises `OSError`."""
        if not self._streams:
            publish(result, self._path, fsync=fsync)
            return
        with result.open("rb") as source, self._open() as sink:
            shutil.copyfileobj(source, sink, _BLOCK_SIZE)

    def _open(self) -> BinaryIO:
        return open(1, "wb", closefd=False) if self._path == STREAM else self._path.open("wb")
