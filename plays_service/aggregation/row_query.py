"""Which rows of a result are wanted, and in which order."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, astuple, dataclass
from typing import Any, Final

from plays_service.aggregation.result_rows import DATE_MAX, ResultRow

__all__ = ["SORTS", "RowQuery"]

#: By what rows are sorted: their place in the result, the UTF-8 bytes of the song, the date, the
#: plays. Rows that are equal in that stay in order of appearance, ascending and descending.
SORTS: Final = ("appearance", "song", "date", "plays")

#: Biggest number of plays that `RowQuery.key` can order: totals take 128 bits with their sign.
_BIAS: Final = 1 << 127


@dataclass(frozen=True, slots=True)
class RowQuery:
    """A choice of rows and their order. Dates are YYYYMMDD, both ends included."""

    sort: str = "appearance"  #: one of `SORTS`
    descending: bool = False
    #: What the song must contain, whatever the case: Unicode's full case folding (`str.casefold`)
    #: of both is compared, so that "STRASSE" finds "Straße". Nothing else is folded. Kept folded.
    song: str = ""
    first_date: int = 0
    last_date: int = DATE_MAX

    def __post_init__(self) -> None:
        object.__setattr__(self, "song", self.song.casefold())

    def to_json(self) -> dict[str, Any]:
        """The query as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> RowQuery:
        """The query that `to_json` wrote."""
        return cls(**fields)

    @property
    def is_backwards(self) -> bool:
        """Whether this is the same view as the ascending one, read from its end."""
        return self.descending and self.sort == "appearance"

    @property
    def view_name(self) -> str:
        """File name of the view; queries that one view answers have the same."""
        descending = self.descending and not self.is_backwards
        same = (self.sort, descending, *astuple(self)[2:])
        return hashlib.sha256(json.dumps(same).encode()).hexdigest()[:32] + ".view"

    def matches(self, row: ResultRow) -> bool:
        """Whether the row is wanted. Raises `UnicodeDecodeError` for a song that is no UTF-8."""
        song, date, _ = row
        if not self.first_date <= date <= self.last_date:
            return False
        return not self.song or self.song in song.decode().casefold()

    def key(self, row: ResultRow) -> bytes:
        """What rows are sorted by, as bytes that compare alike; empty for appearance."""
        song, date, plays = row
        if self.sort == "song":
            return song
        if self.sort == "date":
            return date.to_bytes(4, "big")
        return (plays + _BIAS).to_bytes(16, "big") if self.sort == "plays" else b""
