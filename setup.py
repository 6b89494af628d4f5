"""The C kernel, and nothing else: metadata lives in setup.cfg.

Environment: ``PLAYS_NO_EXTENSIONS=1`` builds without it, ``PLAYS_KERNEL_DEBUG=1`` with asserts and
without optimisation, ``PLAYS_KERNEL_SANITIZE=1`` that and AddressSanitizer and
UndefinedBehaviorSanitizer, ``PLAYS_KERNEL_TINY=1`` with so small a record limit and window that
short tests meet every edge of them (for tests only: its results differ). Where it does not compile
the package installs all the same.
"""

import os
from pathlib import Path

from setuptools import Extension, setup

KERNEL = Path("plays_service", "aggregation", "kernel")


def is_set(name: str) -> bool:
    """Whether an environment variable says yes."""
    return os.environ.get(name, "") not in ("", "0")


def kernel() -> Extension:
    """The extension, as the environment wants it."""
    flags = ["-std=c11", "-Wall", "-Wextra", "-fvisibility=hidden"]
    links: list[str] = []
    macros: list[tuple[str, str | None]] = [("Py_LIMITED_API", "0x030B0000")]
    sanitize = is_set("PLAYS_KERNEL_SANITIZE")
    if sanitize:
        links = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
        flags += [*links, "-fno-omit-frame-pointer"]
    if sanitize or is_set("PLAYS_KERNEL_DEBUG"):
        flags += ["-O1", "-g", "-UNDEBUG"]
        macros.append(("PK_DEBUG", None))
    else:
        flags.append("-O3")
    if is_set("PLAYS_KERNEL_TINY"):
        macros += [("PK_RECORD_LIMIT", "((size_t)60)"), ("PK_WINDOW", "((size_t)48)")]
    return Extension(
        "plays_service.aggregation._kernel",
        sources=sorted(str(path) for path in KERNEL.glob("*.c")),
        depends=sorted(str(path) for path in KERNEL.glob("*.h")),
        define_macros=macros,
        extra_compile_args=flags,
        extra_link_args=links,
        py_limited_api=True,
        optional=True,
    )


setup(ext_modules=[] if is_set("PLAYS_NO_EXTENSIONS") else [kernel()])
