"""Every setting of the service, in one typed place.

A setting is an environment variable ``PLAYS_<NAME>`` and a flag ``--<name>`` of ``serve``; the flag
wins. Sizes and times take units: ``512MiB``, ``1.5GiB``, ``24h``, ``90s``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from plays_service.aggregation import ERRORS_KEPT

__all__ = ["Setting", "Settings", "SettingsError", "parse_duration", "parse_size", "settings_table"]

_SIZE_UNITS: Final = {
    "": 1, "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40,
    "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}  # fmt: skip
_TIME_UNITS: Final = {"ms": 0.001, "": 1, "s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}
_QUANTITY: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
#: No size or time, in bytes or seconds, is this large: beyond 64 bits the system takes none.
_TOO_MUCH: Final = 1 << 63
#: Longer nobody waits, and no timer of the system's runs.
_LONGEST: Final = "36500d"
_SWITCHES: Final = {
    "1": True, "true": True, "yes": True, "on": True,
    "0": False, "false": False, "no": False, "off": False,
}  # fmt: skip


class SettingsError(ValueError):
    """A setting has a value that it cannot take; the text says which and what it could be."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What people need to know of one setting."""

    name: str
    default: str  #: as a person would write it
    help: str

    @property
    def variable(self) -> str:
        """Name of the environment variable."""
        return "PLAYS_" + self.name.upper()

    @property
    def flag(self) -> str:
        """Name of the flag of ``serve``."""
        return "--" + self.name.replace("_", "-")


def parse_size(text: str) -> int:
    """Bytes in ``64MiB``, ``1.5 GB``, ``4096``. Raises `ValueError`."""
    return int(_parse_quantity(text, _SIZE_UNITS, "a size such as 512MiB"))


def parse_duration(text: str) -> float:
    """Seconds in ``24h``, ``90s``, ``500ms``, ``30``. Raises `ValueError`."""
    return _parse_quantity(text, _TIME_UNITS, "a time such as 24h or 30s")


def _parse_quantity(text: str, units: Mapping[str, float], what: str) -> float:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2].lower() not in units:
        raise ValueError(f"is not {what}")
    quantity = float(match[1]) * units[match[2].lower()]
    if quantity >= _TOO_MUCH:
        raise ValueError("is too large")
    return quantity


def _parse_switch(text: str) -> bool:
    try:
        return _SWITCHES[text.strip().lower()]
    except KeyError:
        raise ValueError("is neither 1 nor 0") from None


def _parse_count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise ValueError("is not a whole number of at least 1")
    return int(text)


def _parse_port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise ValueError("is not a port (0 to 65535; 0 takes any free one)")
    return int(text)


def _size_from(least: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        size = parse_size(text)
        if size < parse_size(least):
            raise ValueError(f"must be at least {least}")
        return size

    return parse


def _time_from(least: str, most: str = _LONGEST) -> Callable[[str], float]:
    def parse(text: str) -> float:
        seconds = parse_duration(text)
        if not parse_duration(least) <= seconds <= parse_duration(most):
            raise ValueError(f"must be from {least} to {most}")
        return seconds

    return parse


def _optional_size(text: str) -> int | None:
    return parse_size(text) or None


def _up_to(most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > most:
            raise ValueError(f"is not a whole number from 0 to {most}")
        return int(text)

    return parse


def _optional_path(text: str) -> Path | None:
    return None if text == "none" else Path(text)


def _broker_url(text: str) -> str:
    if not re.match(r"(py)?amqps?://.", text):
        raise ValueError("is not the URL of a RabbitMQ, such as amqp://user:password@host:5672/")
    return text


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"is none of: {', '.join(choices)}")
        return text

    return parse


def _cores() -> int:
    """Cores that this process may use (a container may have fewer than the machine)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _setting(parse: Callable[[str], Any], default: str, doc: str) -> Any:
    metadata = {"parse": parse, "default": default, "help": doc}
    make = _cores if default == "cores" else lambda: parse(default)
    return field(default_factory=make, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, parsed and checked. Sizes are in bytes, times in seconds."""

    host: str = _setting(str, "127.0.0.1", "Address to listen on; the image sets 0.0.0.0.")
    port: int = _setting(_parse_port, "8000", "Port to listen on.")
    data_dir: Path = _setting(
        Path, "./data", "Folder for uploads, tasks and results; the image sets /data."
    )
    workers: int = _setting(_parse_count, "cores", "Worker processes that aggregate.")
    worker_memory: int = _setting(
        _size_from("16MiB"),
        "512MiB",
        "Memory that one worker may use for its groups, about; at one and a half times this (and "
        "64 MiB) the system refuses more.",
    )
    segment_size: int = _setting(
        _size_from("4KiB"), "64MiB", "Large files are aggregated in segments of at most this size."
    )
    max_upload_size: int = _setting(
        _size_from("1B"),
        "1TiB",
        "Largest upload, packed or unpacked; a larger one is answered 413.",
    )
    max_queued_tasks: int = _setting(
        _parse_count, "10000", "Unfinished tasks at once; an upload beyond is answered 503."
    )
    max_tasks: int = _setting(
        _parse_count,
        "250000",
        "Tasks that are known at once, ended ones until they expire; an upload beyond is answered "
        "503. Each takes about 2 KiB of memory.",
    )
    max_uploads: int = _setting(
        _parse_count, "256", "Uploads under way at once; one beyond is answered 503."
    )
    upload_timeout: float = _setting(
        _time_from("1ms"), "60s", "An upload that sends nothing for this long is answered 408."
    )
    min_upload_rate: int = _setting(
        parse_size,
        "1KiB",
        "An upload that sends less than this in a second, on average and after the first "
        "PLAYS_UPLOAD_TIMEOUT, is answered 408; 0: no limit.",
    )
    idle_timeout: float = _setting(
        _time_from("1ms", "24d"),  # a system's timer counts 31 bits of milliseconds
        "75s",
        "A connection on which no request comes, or a client takes nothing of its answer, for this "
        "long is closed.",
    )
    max_header_size: int = _setting(
        _size_from("1B"),
        "16KiB",
        "Longest header of a request, and all headers of a part of a form.",
    )
    max_form_parts: int = _setting(_parse_count, "100", "Parts that a form may have.")
    max_errors: int = _setting(
        _up_to(ERRORS_KEPT), str(ERRORS_KEPT), "Bad records that a task tells one by one."
    )
    disk_quota: int | None = _setting(
        _optional_size,
        "0",
        "What the tasks may take of the disk, unfinished ones counted three times their input; an "
        "upload beyond is answered 507; 0: no limit.",
    )
    disk_margin: int = _setting(
        parse_size, "128MiB", "Disk that stays free: an upload that would take it is answered 507."
    )
    segment_timeout: float = _setting(
        _time_from("1ms"),
        "30min",
        "A worker that takes longer over one segment, or one share of a merge, is killed.",
    )
    max_tries: int = _setting(
        _parse_count, "3", "How often a task may cost its worker's life before it is a FAILURE."
    )
    result_ttl: float = _setting(
        _time_from("0s"), "24h", "How long results, failures and cancelled tasks are kept."
    )
    stop_timeout: float = _setting(
        _time_from("0s"),
        "25s",
        "On SIGTERM, how long uploads and segments under way may take to finish.",
    )
    engine: str = _setting(
        _one_of("auto", "native", "pure"),
        "auto",
        "What aggregates: native (the C kernel), pure (Python); auto: the kernel if it is built.",
    )
    executor: str = _setting(
        _one_of("process", "celery"),
        "process",
        "Where segments are aggregated: in processes of this service, or by Celery workers on any "
        "machines that share its data folder.",
    )
    broker_url: str = _setting(
        _broker_url, "amqp://localhost", "RabbitMQ, between the service and its Celery workers."
    )
    fsync: bool = _setting(
        _parse_switch, "0", "1: tasks and results survive a power cut too; the image sets it."
    )
    tokens_file: Path | None = _setting(
        _optional_path, "none", "File of API tokens, one a line; without it everybody may do all."
    )
    tls_cert: Path | None = _setting(
        _optional_path, "none", "Certificate (PEM, with its chain): serve HTTPS; needs the key."
    )
    tls_key: Path | None = _setting(_optional_path, "none", "Private key of the certificate (PEM).")
    log_level: str = _setting(
        _one_of("debug", "info", "warning", "error"), "info", "How much is logged, to stderr."
    )
    log_format: str = _setting(
        _one_of("text", "json"), "text", "Lines for people (text) or for machines (json)."
    )

    def __post_init__(self) -> None:
        """Raise `SettingsError` where settings contradict each other."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingsError("PLAYS_TLS_CERT and PLAYS_TLS_KEY: set both, or neither")

    @classmethod
    def load(
        cls, environ: Mapping[str, str], overrides: Mapping[str, str | None] | None = None
    ) -> Settings:
        """Settings from environment variables and, before them, ``overrides`` by name.

        What is empty counts as not set. Raises `SettingsError`.
        """
        values = {}
        for setting, spec in zip(settings_table(), fields(cls), strict=True):
            text, source = (overrides or {}).get(setting.name), setting.flag
            if not text:
                text, source = environ.get(setting.variable), setting.variable
            if text:
                values[setting.name] = _parse(spec, text, source)
        return cls(**values)


def _parse(spec: Field[Any], text: str, source: str) -> Any:
    try:
        return spec.metadata["parse"](text)
    except ValueError as error:
        raise SettingsError(f"{source}: {text!r} {error}") from None


def settings_table() -> tuple[Setting, ...]:
    """All settings, in the order in which people should read them."""
    return tuple(
        Setting(spec.name, spec.metadata["default"], spec.metadata["help"])
        for spec in fields(Settings)
    )
