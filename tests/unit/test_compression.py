"""What an Accept-Encoding header asks for."""

from __future__ import annotations

import pytest

from plays_service.api.compression import coding_of


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("x-gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate", "gzip"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("gzip; q = 0.2 , zstd;q=0.3", "zstd"),
        ("*", "zstd"),
        ("*, zstd;q=0", "gzip"),
        ("zstd;q=0", None),
        ("gzip;q=0, zstd;q=0.000", None),
        ("*;q=0", None),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip", "gzip"),
        ("identity;q=0, br", None),
        ("br, deflate", None),
        ("", None),
        (",;=,", None),
        ("gzip;q=nonsense", "gzip"),
    ],
)
def test_the_coding_that_a_client_likes_best(accepted: str, coding: str | None) -> None:
    assert coding_of(accepted) == coding
