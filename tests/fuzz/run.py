"""Builds the fuzzer with clang and runs it: ``python tests/fuzz/run.py SECONDS``.

New inputs that reach new code are kept in build/fuzz/corpus; what breaks is written to build/fuzz
and makes the run fail. Found something? Minimise it, add it to tests/fuzz/corpus, mend the kernel.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
BUILD: Final = ROOT / "build" / "fuzz"
SEEDS: Final = Path(__file__).with_name("corpus")
KERNEL: Final = ROOT / "plays_service" / "aggregation" / "kernel"
#: As PLAYS_KERNEL_TINY of setup.py: short inputs meet every edge.
TINY: Final = ["-DPK_RECORD_LIMIT=((size_t)60)", "-DPK_WINDOW=((size_t)48)", "-DPK_DEBUG"]
SANITIZERS: Final = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]


def build(compiler: str) -> Path:
    """The fuzzer's executable."""
    harness = BUILD / "harness"
    library = sysconfig.get_config_var("LDVERSION")
    folder = sysconfig.get_config_var("LIBDIR")
    subprocess.run(
        [
            compiler, "-std=c11", "-g", "-O1", *SANITIZERS, *TINY, f"-I{KERNEL}",
            f"-I{sysconfig.get_path('include')}", str(Path(__file__).with_name("harness.c")),
            *map(str, sorted(KERNEL.glob("*.c"))), "-o", str(harness),
            f"-L{folder}", f"-Wl,-rpath,{folder}", f"-lpython{library}", "-ldl", "-lm", "-lpthread",
        ],
        check=True,
    )  # fmt: skip
    return harness


def main(seconds: int) -> int:
    """The fuzzer's exit status; 0 where nothing broke."""
    corpus = BUILD / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    harness = build(os.environ.get("CLANG", "clang"))
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter frees little at its end
    }
    options = [f"-max_total_time={seconds}", "-max_len=500", "-timeout=20", "-print_final_stats=1"]
    return subprocess.run(
        [harness, *options, f"-artifact_prefix={BUILD}/", corpus, SEEDS],
        check=False,
        env=environment,
        cwd=ROOT,
    ).returncode


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 60))
