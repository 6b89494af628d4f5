"""``plays-service worker`` with a fault in what it does around its calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plays_service.aggregation import CallWire
from plays_service.cli import main


def _fail(_: CallWire, call: Mapping[str, Any]) -> dict[str, Any]:
    raise KeyError(call["name"])


if __name__ == "__main__":
    CallWire.run = _fail  # type: ignore[assignment, method-assign]
    main()
