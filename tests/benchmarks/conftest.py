"""The benchmarks are part of a clone, and of nothing that is installed."""

from __future__ import annotations

from pathlib import Path

if not (Path(__file__).parents[2] / "benchmarks").is_dir():
    collect_ignore_glob = ["test_*.py"]
