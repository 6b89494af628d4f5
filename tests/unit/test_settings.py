"""Settings: units, sources, errors, and the table of the docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plays_service.settings import (
    Settings,
    SettingsError,
    parse_duration,
    parse_size,
    settings_table,
)

DOCS = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.mark.parametrize(
    ("text", "size"),
    [("4096", 4096), ("512MiB", 512 << 20), ("1.5 GB", 1_500_000_000), ("64k", 64 << 10),
     ("1TiB", 1 << 40), ("7b", 7)],
)  # fmt: skip
def test_sizes_take_units(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"), [("24h", 86400), ("90s", 90), ("500ms", 0.5), ("30", 30), ("7d", 604800)]
)
def test_times_take_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1e9", "12 parsecs", "1 2", "nan", "inf"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)
    with pytest.raises(ValueError, match="is not a time"):
        parse_duration(text)


def test_a_flag_wins_over_the_environment_and_that_over_the_default() -> None:
    environ = {"PLAYS_PORT": "9000", "PLAYS_WORKERS": "3"}
    settings = Settings.load(environ, {"port": "9001", "workers": None})
    assert (settings.port, settings.workers, settings.host) == (9001, 3, "127.0.0.1")


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"PLAYS_PORT": "http"}, "PLAYS_PORT: 'http' is not a port"),
        ({"PLAYS_PORT": "65536"}, "PLAYS_PORT: '65536' is not a port"),
        ({"PLAYS_WORKERS": "0"}, "PLAYS_WORKERS: '0' is not a whole number of at least 1"),
        ({"PLAYS_WORKER_MEMORY": "1MiB"}, "PLAYS_WORKER_MEMORY: '1MiB' must be at least 16MiB"),
        ({"PLAYS_SEGMENT_SIZE": "0"}, "PLAYS_SEGMENT_SIZE: '0' must be at least 4KiB"),
        ({"PLAYS_MAX_UPLOAD_SIZE": "0"}, "PLAYS_MAX_UPLOAD_SIZE: '0' must be at least 1B"),
        ({"PLAYS_MAX_UPLOAD_SIZE": "9" * 400}, "9' is too large"),
        ({"PLAYS_RESULT_TTL": "9" * 400}, "9' is too large"),
        ({"PLAYS_RESULT_TTL": "36501d"}, "PLAYS_RESULT_TTL: '36501d' must be from 0s to 36500d"),
        ({"PLAYS_IDLE_TIMEOUT": "25d"}, "PLAYS_IDLE_TIMEOUT: '25d' must be from 1ms to 24d"),
        ({"PLAYS_IDLE_TIMEOUT": "0"}, "PLAYS_IDLE_TIMEOUT: '0' must be from 1ms to 24d"),
        ({"PLAYS_UPLOAD_TIMEOUT": "0"}, "PLAYS_UPLOAD_TIMEOUT: '0' must be from 1ms"),
        ({"PLAYS_SEGMENT_TIMEOUT": "0"}, "PLAYS_SEGMENT_TIMEOUT: '0' must be from 1ms"),
        ({"PLAYS_FSYNC": "maybe"}, "PLAYS_FSYNC: 'maybe' is neither 1 nor 0"),
        ({"PLAYS_TLS_CERT": "cert.pem"}, "PLAYS_TLS_CERT and PLAYS_TLS_KEY: set both"),
        ({"PLAYS_TLS_KEY": "key.pem"}, "PLAYS_TLS_CERT and PLAYS_TLS_KEY: set both"),
        ({"PLAYS_LOG_LEVEL": "loud"}, "PLAYS_LOG_LEVEL: 'loud' is none of: debug, info"),
    ],
)
def test_a_bad_value_is_named_with_its_source(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        Settings.load(environ)


@pytest.mark.parametrize("text", ["", "none"])
def test_a_file_may_be_none(text: str) -> None:
    settings = Settings.load({"PLAYS_TOKENS_FILE": text, "PLAYS_TLS_CERT": text})
    assert settings.tokens_file is settings.tls_cert is None


def test_some_times_may_be_none() -> None:
    settings = Settings.load({"PLAYS_RESULT_TTL": "0", "PLAYS_STOP_TIMEOUT": "0"})
    assert (settings.result_ttl, settings.stop_timeout) == (0, 0)


def test_what_is_empty_is_not_set() -> None:
    """Above all not a host: an empty one would be every interface."""
    empty = {setting.variable: "" for setting in settings_table()}
    assert Settings.load(empty) == Settings()
    assert Settings.load({"PLAYS_HOST": "::1"}, {"host": ""}).host == "::1"


def test_an_error_in_a_flag_names_the_flag() -> None:
    with pytest.raises(SettingsError, match="--result-ttl: 'soon' is not a time"):
        Settings.load({}, {"result_ttl": "soon"})


def test_the_table_of_the_docs_is_the_code() -> None:
    rows = re.findall(
        r"^\| `(PLAYS_\w+)` \| `(--[\w-]+)` \| `([^`]+)` \| (.+) \|$",
        DOCS.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert rows == [(s.variable, s.flag, s.default, s.help) for s in settings_table()]
