"""What the documents name is there: commands, settings, files; and what is there is named."""

from __future__ import annotations

import configparser
import re
from collections import defaultdict
from typing import Any, Final

import pytest
import yaml

from plays_service.api import openapi
from plays_service.settings import Settings, parse_duration, settings_table
from tests.docs.documents import BLOCKS, DOCUMENTS, ROOT, Block, Document

pytest.importorskip("tools.release")  # the tests may be apart from the repository

TARGETS: Final = set(
    re.findall(r"^([a-z-]+):.* ## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
)
COMPOSE: Final = yaml.safe_load((ROOT / "compose.yml").read_text())
CLUSTER: Final = yaml.safe_load((ROOT / "compose.cluster.yml").read_text())
SETTINGS: Final = {setting.variable for setting in settings_table()}
#: Where variables are read that are no settings of the service.
READERS: Final = ["setup.py", "Makefile", "compose.yml", "plays_service/cli/options.py",
                  "plays_service/cli/server.py"]  # fmt: skip
FILES: Final = [
    path.as_posix() for top in ("plays_service", "tests") for path in (ROOT / top).rglob("*.*")
]
SOURCES: Final = {".py", ".pyi", ".c", ".h", ".js", ".css", ".html", ".json", ".svg"}


def by_name(name: str) -> Document:
    (found,) = (one for one in DOCUMENTS if one.name == name)
    return found


def made(text: str) -> set[str]:
    """The targets of make in commands, one a line."""
    found = re.findall(r"^(?:\w+=\S+ )*make((?: +[a-z][a-z-]*(?![\w=]))+)", text, re.MULTILINE)
    return {target for targets in found for target in targets.split()}


def codes(document: Document) -> list[str]:
    """What is set as code in its sentences and tables."""
    return [token.content for token in document.inline if token.type == "code_inline"]


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.reason], ids=str)
def test_what_is_not_run_exists(block: Block) -> None:
    assert made(block.text) <= TARGETS
    for service in re.findall(r"docker compose run --rm (\w+)", block.text):
        assert service in COMPOSE["services"]
    for path in re.findall(r"tests/[\w/]+\.py", block.reason or ""):
        assert (ROOT / path).is_file()


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_command_of_make_exists(document: Document) -> None:
    for code in codes(document):
        if code.startswith("make "):
            assert made(code) <= TARGETS, code


def test_every_command_of_make_is_explained_to_contributors() -> None:
    document = by_name("docs/contributing.md")
    commands = codes(document) + [block.text for block in document.blocks]
    assert made("\n".join(commands)) == TARGETS


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_variable_exists(document: Document) -> None:
    others = "".join((ROOT / path).read_text() for path in READERS)
    for name in set(re.findall(r"\bPLAYS_[A-Z_]*[A-Z]\b", document.text)):
        assert name in SETTINGS or name in others, name


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_file_of_the_project_exists(document: Document) -> None:
    tops = "plays_service|tests|docs|benchmarks|tools|\\.ci|\\.github"
    for code in codes(document):
        if re.fullmatch(rf"({tops})/[\w./-]*", code):
            assert (ROOT / code).exists(), code


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_module_exists(document: Document) -> None:
    made_here = [block.text.split("\n")[0] for block in document.blocks]
    for code in codes(document):
        if re.fullmatch(r"[\w/]+\.(py|js|c|css)", code) and f"# {code}" not in made_here:
            assert any(one.endswith(f"/{code}") for one in FILES) or (ROOT / code).exists(), code


def test_every_call_is_explained() -> None:
    text = by_name("docs/api.md").text
    words = {"{task_id}": "<id>", "{suffix}": "csv", "{filename}": "<filename>"}
    for path in openapi.document()["paths"]:
        assert re.sub(r"{\w+}", lambda found: words[found[0]], path) in text, path


def test_every_dependency_has_its_reason() -> None:
    section = by_name("docs/architecture.md").text.split("## Dependencies\n")[1].split("\n## ")[0]
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    for line in (config["options"]["install_requires"] + extras["test"]).split("\n"):
        assert re.split("[ >]", line)[0].lower() in section.lower(), line


@pytest.mark.parametrize(
    ("compose", "others"),
    [
        pytest.param(COMPOSE, set(), id="compose.yml"),
        pytest.param(CLUSTER, {"PLAYS_TLS_CERT", "PLAYS_TLS_KEY"}, id="compose.cluster.yml"),
    ],
)
def test_compose_passes_every_setting_and_lets_the_service_stop(
    compose: dict[str, Any], others: set[str]
) -> None:
    """But those that the image says, and what is not the replicas' but the gateway's."""
    service = compose["services"]["plays"]
    inside = {"PLAYS_HOST", "PLAYS_PORT", "PLAYS_DATA_DIR"}
    assert set(service["environment"]) == SETTINGS - inside - others
    assert parse_duration(service["stop_grace_period"]) > 2 * Settings.load({}).stop_timeout


def test_every_folder_of_tests_is_explained() -> None:
    text = by_name("docs/contributing.md").text
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}
    assert {one for one in folders if f"`tests/{one}/`" not in text} == set()


def modules() -> dict[str, list[str]]:
    """The files of the package that say by their names what they are, by folder."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in (ROOT / "plays_service").rglob("*.*"):
        is_header_of = path.suffix == ".h" and path.with_suffix(".c").exists()
        if path.suffix in SOURCES and not path.name.startswith("__") and not is_header_of:
            name = path.stem if path.suffix in (".py", ".js") else path.name
            found[f"{path.parent.relative_to(ROOT)}/"].append(name)
    return found


def folders_of_the_map() -> dict[str, list[str]]:
    """The modules in each table of architecture.md's map, by the folder in its heading."""
    _, _, section = by_name("docs/architecture.md").text.partition("## Where everything is\n")
    parts = re.split(r"^### `(plays_service/[\w/]*)`.*\n", section, flags=re.MULTILINE)
    return {
        folder: re.findall(r"`([\w.]+)`", "".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)))
        for folder, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_the_map_names_every_module_once() -> None:
    named, there = folders_of_the_map(), modules()
    assert sorted(named) == sorted(there)
    for folder, names in there.items():
        assert sorted(named[folder]) == sorted(names)
