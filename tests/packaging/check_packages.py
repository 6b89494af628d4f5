"""The sdist and the wheel in ``dist``, as they reach a user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import Final

import pytest

from plays_service import __version__
from tests.conftest import EXAMPLE, EXAMPLE_RESULT

pytestmark = pytest.mark.timeout(600)

ROOT: Final = Path(__file__).parents[2]
#: For the developers of the project alone.
NOT_IN_SDIST: Final = (".ci/", ".github/", ".dockerignore", ".editorconfig", ".gitignore")


def interpreters() -> list[str]:
    """All that are here and supported; ``PYTHONS`` names further ones."""
    named = os.environ.get("PYTHONS", "").split()
    found = [path for n in range(11, 20) if (path := shutil.which(f"python3.{n}"))]
    return list(dict.fromkeys([sys.executable, *named, *filter(can_make_environments, found)]))


def can_make_environments(python: str) -> bool:
    command = [python, "-c", "import ensurepip, venv"]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def the_one(pattern: str) -> Path:
    found = list((ROOT / "dist").glob(pattern))
    assert len(found) == 1, f"run `make dist`: there is not one dist/{pattern}"
    return found[0]


@pytest.fixture
def wheel() -> Path:
    return the_one("*.whl")


@pytest.fixture
def sdist() -> Path:
    return the_one("*.tar.gz")


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """What the command prints, without a compiler unless the environment names one."""
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        env=os.environ | {"CC": "false", "PYTHONWARNINGS": "default"} | environment,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def installed(python: str | Path, package: Path | str, folder: Path, **environment: str) -> Path:
    """The commands of a new environment with the package in it."""
    run(python, "-m", "venv", folder / "venv", cwd=folder)
    commands = folder / "venv" / "bin"
    pip = (commands / "python", "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "install", package, cwd=folder, **environment)
    return commands


def works(commands: Path, folder: Path, engine: str) -> None:
    version = run(commands / "plays-service", "--version", cwd=folder)
    assert version.split()[1:] == [__version__, f"({engine}", "engine)"]
    (folder / "in.csv").write_bytes(EXAMPLE)
    run(commands / "plays-service", "aggregate", "in.csv", "-o", "out.csv", cwd=folder)
    assert (folder / "out.csv").read_bytes() == EXAMPLE_RESULT
    run(commands / "plays-service", "serve", "--help", cwd=folder)


@pytest.mark.parametrize("python", interpreters())
def test_the_wheel_needs_no_compiler(wheel: Path, python: str, tmp_path: Path) -> None:
    works(installed(python, wheel, tmp_path), tmp_path, "native")


def test_the_wheel_is_for_every_supported_python(wheel: Path) -> None:
    _, version, python, abi, _ = wheel.stem.split("-")
    assert (version, python, abi) == (__version__, "cp311", "abi3")


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {
        "plays_service",
        f"plays_service-{__version__}.dist-info",
    }
    assert [name for name in names if name.endswith((".c", ".h", ".pyc"))] == []
    packaged = {name for name in names if name.startswith("plays_service/")}
    sources = {str(path.relative_to(ROOT)) for path in ROOT.glob("plays_service/**/*.py")}
    assert packaged - sources >= {
        "plays_service/py.typed",
        "plays_service/aggregation/_kernel.pyi",
        "plays_service/web/docs.css",
        "plays_service/web/openapi.json",
    }
    assert sources <= packaged


def test_the_sdist_holds_all_of_the_repository(sdist: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no repository")
    files = run("git", "ls-files", cwd=ROOT).splitlines()
    wanted = {name for name in files if not name.startswith(NOT_IN_SDIST)}
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert wanted - names == set()


@pytest.mark.parametrize(("compiler", "engine"), [("cc", "native"), ("false", "pure")])
def test_the_sdist_builds(sdist: Path, tmp_path: Path, compiler: str, engine: str) -> None:
    works(installed(sys.executable, sdist, tmp_path, CC=compiler), tmp_path, engine)


def test_the_tests_of_the_sdist_pass(sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    commands = installed(sys.executable, folder, tmp_path, CC="cc")
    shutil.rmtree(folder / "plays_service")  # what is installed is tested
    # What only tests need is here. To name its folder shows no editable install that is in it.
    needed = sysconfig.get_path("platlib")
    where = run(
        commands / "python", "-c", "import plays_service; print(plays_service.__file__)",
        cwd=folder, PYTHONPATH=needed,
    )  # fmt: skip
    assert Path(where).is_relative_to(tmp_path)
    tests = ("tests/unit/test_csv_contract.py", "tests/acceptance/test_cli.py")
    run(commands / "python", "-m", "pytest", "--quiet", *tests, cwd=folder, PYTHONPATH=needed)
