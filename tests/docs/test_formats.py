"""Blocks that other programs read: they are what they say, and name what is there."""

from __future__ import annotations

import configparser
import json
from collections.abc import Callable
from typing import Any, Final

import pytest
import yaml

from plays_service.settings import Settings, settings_table
from tests.docs.documents import BLOCKS, Block
from tests.docs.reader import LANGUAGES

SETTINGS: Final = {setting.variable for setting in settings_table()}
#: Uploads under way may take PLAYS_STOP_TIMEOUT, then segments may.
STOPPED: Final = 2 * Settings.load({}).stop_timeout


class UnitFile(configparser.RawConfigParser):
    """As systemd reads them: names keep their case."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def unit_file(text: str) -> dict[str, dict[str, str]]:
    parser = UnitFile()
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


READ: Final[dict[str, Callable[[str], Any]]] = {
    "json": json.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    "ini": unit_file,
}
#: By tests/acceptance/test_proxies.py, in the programs that they are for.
TRIED: Final = {"nginx", "caddy"}


def only(language: str, word: str) -> Any:
    """What the one block in this language, and with this word, says."""
    (found,) = (one for one in BLOCKS if one.language == language and word in one.text)
    return READ[language](found.text)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_is_run_or_read_or_says_why_not(block: Block) -> None:
    assert block.reason or block.language in LANGUAGES | READ.keys() | TRIED


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.language in READ], ids=str)
def test_it_is_what_it_says(block: Block) -> None:
    assert READ[block.language](block.text)


def test_the_unit_starts_the_service_with_settings_and_time_to_stop() -> None:
    unit = only("ini", "[Unit]")
    assert unit["Service"]["ExecStart"].endswith("/bin/plays-service serve")
    assert {word.split("=")[0] for word in unit["Service"]["Environment"].split()} <= SETTINGS
    assert int(unit["Service"]["TimeoutStopSec"]) > STOPPED


def test_the_deployment_starts_the_service_with_settings_and_time_to_stop() -> None:
    deployment, claim, service = only("yaml", "kind: Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {one["name"] for one in container["env"]} <= SETTINGS
    assert pod["terminationGracePeriodSeconds"] > STOPPED
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert service["spec"]["ports"][0]["targetPort"] == container["ports"][0]["containerPort"]
    assert deployment["spec"]["replicas"] == 1  # the data folder has one owner
