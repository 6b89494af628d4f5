"""How an input is cut into segments: what the pipeline asks its workers for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from plays_service.aggregation import Segment, aggregate_segment
from plays_service.pipeline import Growth, Pipeline
from tests.conftest import work_in

_SEGMENT_SIZE: Final = 4096
_ROWS: Final = b"".join(b"Song %d,2024-01-%02d,1\n" % (i % 50, i % 28 + 1) for i in range(20_000))
_DATA: Final = b"Song,Date,Number of Plays\n" + _ROWS


class _Run:
    """A pipeline here, and the segments that it had aggregated."""

    def __init__(self, folder: Path, *, alone: bool) -> None:
        self.segments: list[Segment] = []
        folder.mkdir()
        self._work = replace(work_in(folder), segment_size=_SEGMENT_SIZE, alone=alone)
        self._work.input.write_bytes(_DATA)

    def run(self, growth: Growth) -> bytes:
        asyncio.run(Pipeline(self._call, self._work, growth, lambda *_: None).run())
        return self._work.result.read_bytes()

    async def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        if function is aggregate_segment:
            self.segments.append(args[1])
        return function(*args)

    @property
    def sizes(self) -> list[int]:
        """Bytes of each segment."""
        return [one.end - one.start for one in self.segments]


def _whole() -> Growth:
    growth = Growth()
    growth.finish(len(_DATA))
    return growth


def test_segments_of_an_input_that_is_alone_get_shorter_toward_its_end(tmp_path: Path) -> None:
    usual, alone = _Run(tmp_path / "usual", alone=False), _Run(tmp_path / "alone", alone=True)
    assert usual.run(_whole()) == alone.run(_whole())
    assert max(usual.sizes) == _SEGMENT_SIZE
    assert sum(usual.sizes) == sum(alone.sizes) == len(_ROWS)
    assert len(alone.sizes) < len(usual.sizes) / 3
    assert max(alone.sizes) == alone.sizes[0] == 8 * _SEGMENT_SIZE
    assert alone.sizes == sorted(alone.sizes, reverse=True)
    assert len(set(alone.sizes)) > 8  # step by step
    assert max(alone.sizes[-2:]) <= _SEGMENT_SIZE  # so that the workers end together


def test_a_failure_to_cut_is_told(tmp_path: Path) -> None:
    class Torn(Growth):
        async def reached(self, size: int) -> None:
            if size > len(_DATA) / 2:
                raise ConnectionError("nobody tells any more")
            await super().reached(size)

    growth = Torn()
    growth.grow(len(_DATA))
    with pytest.raises(ConnectionError, match="nobody tells any more"):
        _Run(tmp_path / "torn", alone=False).run(growth)
