"""The C part: compiled at first use, and again when it has changed."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import Final

__all__ = ["load_native", "native_version"]

_SOURCE: Final = Path(__file__).with_name("native.c")


def load_native(folder: Path) -> ctypes.CDLL:
    """The library, kept in ``folder``. Raises `RuntimeError` where there is no C compiler."""
    library = folder / f"native-{native_version()}.so"
    if not library.exists():
        _compile(library)
    return ctypes.CDLL(os.fspath(library), use_errno=True)


def native_version() -> str:
    """Another one whenever the source is another; data of an old one is not to be used."""
    return hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:12]


def _compile(library: Path) -> None:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        compiler = "cc"
    if shutil.which(compiler) is None:
        raise RuntimeError("the benchmark needs a C compiler (on Debian: apt install gcc)")
    library.parent.mkdir(parents=True, exist_ok=True)
    temporary = library.with_suffix(".tmp")
    subprocess.run(
        [compiler, "-O3", "-shared", "-fPIC", "-o", temporary, _SOURCE],
        check=True,
    )
    temporary.replace(library)
