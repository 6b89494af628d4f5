"""Imports run one way: api → tasks → pipeline and executors → aggregation."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import plays_service

PACKAGE = Path(plays_service.__file__).parent
#: What each layer may import of the package, besides itself.
ALLOWED = {
    "aggregation": set(),
    "pipeline": {"aggregation"},
    "executors": {"aggregation", "settings", "open_files"},
    "tasks": {"aggregation", "pipeline", "executors", "settings"},
    "api": {"aggregation", "executors", "tasks", "settings", "tokens", "open_files", "__version__"},
    "offline": {"aggregation", "pipeline", "executors", "settings"},
    "client": {"__version__"},
}
#: What each layer must not know at all.
FORBIDDEN = {
    "aggregation": {"asyncio", "aiohttp"},
    "pipeline": {"aiohttp"},
    "executors": {"aiohttp"},
    "tasks": {"aiohttp"},
}


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("layer", ALLOWED)
def test_a_layer_imports_only_what_lies_below(layer: str) -> None:
    files = list((PACKAGE / layer).rglob("*.py"))
    assert files
    for path in files:
        for name in _imports(path):
            top, _, rest = name.partition(".")
            if top == "plays_service":
                part = rest.partition(".")[0]
                assert part == layer or part in ALLOWED[layer], f"{path.name} imports {name}"
            assert top not in FORBIDDEN.get(layer, ()), f"{path.name} imports {name}"


def _loaded(module: str) -> set[str]:
    """The packages that a process has loaded when it has imported the module."""
    code = f"import sys, {module}; print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    names = {name.partition(".")[0] for name in output.split()}
    assert "plays_service" in names
    return names


@pytest.mark.parametrize(
    ("module", "needless"),
    [
        pytest.param("aggregation", {"aiohttp", "asyncio"}, id="a worker"),
        pytest.param("cli", {"aiohttp", "asyncio"}, id="the command line"),
        pytest.param("celery_app", {"aiohttp"}, id="a Celery worker"),
        pytest.param("app", {"celery", "kombu", "pyarrow"}, id="the service"),
    ],
)
def test_nothing_is_loaded_that_is_not_needed(module: str, needless: set[str]) -> None:
    """No web server where there is none, and no extra."""
    assert not _loaded(f"plays_service.{module}") & needless
