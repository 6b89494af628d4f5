"""What the environment says."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click

from plays_service.cli.exits import Exit
from plays_service.settings import Settings, SettingsError

__all__ = ["load_settings"]


def load_settings(flags: Mapping[str, str | None]) -> Settings:
    """The settings; raises a `click.ClickException` for one that cannot be."""
    try:
        return Settings.load(os.environ, flags)
    except SettingsError as error:
        raise _SettingsRefusedError(str(error)) from error


class _SettingsRefusedError(click.ClickException):
    exit_code = Exit.USAGE
