"""What must become of an upload, found out without the service: with the pure implementation."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from plays_service.aggregation import CsvError, Source, Summary, Transcoder, dialect_of, pure

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["BadPackingError", "Outcome", "outcome", "unpacked"]

#: The body of ``GET /result/<id>`` when the task has ended, and what was read.
Outcome = tuple[bytes, Summary]
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


class BadPackingError(ValueError):
    """What should be packed is not."""


def unpacked(data: bytes) -> bytes:
    """The file without its packing, if its first bytes tell of one. Raises `BadPackingError`."""
    if data.startswith(_GZIP):
        return _members(data, _GZIP, lambda: zlib.decompressobj(wbits=31), _without_unknown_flags)
    if data.startswith(_ZSTD):
        return _members(data, _ZSTD, zstd.ZstdDecompressor)
    return data


def _without_unknown_flags(data: bytes) -> bytes:
    """ISA-L unpacks all the same, zlib does not (RFC 1952, section 2.3.1.2)."""
    return data[:3] + bytes(flags & 0x1F for flags in data[3:4]) + data[4:]


def _members(
    data: bytes,
    magic: bytes,
    make: Callable[[], Any],
    prepare: Callable[[bytes], bytes] = lambda data: data,
) -> bytes:
    whole = b""
    while data:
        member = make()
        try:
            whole += member.decompress(prepare(data))
        except (zlib.error, zstd.ZstdError) as error:
            raise BadPackingError(str(error)) from None
        data = member.unused_data.lstrip(b"\0")
        if not member.eof or (data and not data.startswith(magic)):
            raise BadPackingError("it ends too early, or goes on with something else")
    return whole


def outcome(data: bytes, encoding: str | None, *, skip_errors: bool, folder: Path) -> Outcome:
    """What becomes of a file; ``folder`` is for the files that it takes."""
    transcoder = Transcoder(encoding)
    path, result = folder / "input.csv", folder / "result.csv"
    path.write_bytes(transcoder.feed(data) + transcoder.finish())
    summary = _aggregated(path, result, transcoder.encoding, skip_errors=skip_errors)
    if summary.error is None:
        return result.read_bytes(), summary
    return json.dumps({"state": "FAILURE", "message": str(summary.error)}).encode(), summary


def _aggregated(path: Path, result: Path, encoding: str, *, skip_errors: bool) -> Summary:
    try:
        source = Source(path, dialect_of(path, encoding), skip_errors)
    except CsvError as error:
        return Summary(error=error)
    return pure.aggregate_file(source, result, path.parent, 1, 512 << 20)
