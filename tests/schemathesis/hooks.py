"""What schemathesis does not know by itself of our document."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import schemathesis
from hypothesis import strategies

schemathesis.openapi.format(
    "python-encoding", strategies.sampled_from(["utf-8", "cp1252", "Shift-JIS", "utf_16", "L1"])
)


@schemathesis.hook
def before_call(_context: object, case: schemathesis.Case[Any], _kwargs: dict[str, Any]) -> None:
    """Let a task end before it is deleted.

    Before that it is cancelled, and stays: for schemathesis it should be gone.
    """
    if case.operation.label == "DELETE /tasks/{task_id}":
        task_id = quote(str(case.path_parameters["task_id"]), safe="")
        with suppress(HTTPError):  # there is none
            urlopen(f"{str(case.operation.base_url).rstrip('/')}/result/{task_id}?wait=60").close()
