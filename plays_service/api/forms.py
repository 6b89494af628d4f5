"""The forms that a result can be had in, and which of them a request asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final

from aiohttp import web

from plays_service.api.errors import ApiError
from plays_service.api.weights import weights_in

__all__ = ["CSV", "PACKED_CSV", "PARQUET", "Form", "form_for"]


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write a result down."""

    suffix: str  #: of files, without the dot
    media_type: str

    @property
    def content_type(self) -> str:
        """As a header says it."""
        return f"{self.media_type}; charset=utf-8" if self is CSV else self.media_type


CSV: Final = Form("csv", "text/csv")
JSON_LINES: Final = Form("jsonl", "application/x-ndjson")
#: A file to be kept packed: what Accept-Encoding asks for, browsers unpack before they save it.
PACKED_CSV: Final = Form("csv.gz", "application/gzip")
PARQUET: Final = Form("parquet", "application/vnd.apache.parquet")

_BY_SUFFIX: Final[Mapping[str, Form]] = MappingProxyType(
    {form.suffix: form for form in (CSV, JSON_LINES, PACKED_CSV, PARQUET)}
)
#: With the names that were in use before there were registered ones.
_BY_TYPE: Final[Mapping[str, Form]] = MappingProxyType(
    {form.media_type: form for form in (CSV, JSON_LINES, PARQUET)}
    | {"application/jsonl": JSON_LINES, "application/x-parquet": PARQUET}
)


def form_for(request: web.Request) -> Form:
    """The form that the path's suffix names, or else the Accept header (RFC 9110, 12.5.1).

    CSV where the header names none of them: it never turns away who was served before there was
    a choice. Raises `ApiError` 406 where what makes the form is not installed.
    """
    suffix = request.match_info.get("suffix")
    accepted = ",".join(request.headers.getall("Accept", ()))
    form = _BY_SUFFIX[suffix] if suffix else _accepted_form(accepted)
    if form is PARQUET and find_spec("pyarrow") is None:
        raise ApiError(
            406,
            "This service cannot write Parquet: whoever runs it can install "
            "'plays-service[parquet]'. CSV and JSON lines (.jsonl) are always there",
        )
    return form


def _accepted_form(accept: str) -> Form:
    """What an Accept header likes best of the forms that it names; CSV before others."""
    weights: dict[Form, float] = {}
    for media_type, weight in weights_in(accept):
        form = _BY_TYPE.get(media_type)
        if form is not None:
            weights[form] = max(weights.get(form, 0.0), weight)
    best = max(_BY_SUFFIX.values(), key=lambda form: weights.get(form, 0.0))
    return best if weights.get(best, 0.0) > 0.0 else CSV
