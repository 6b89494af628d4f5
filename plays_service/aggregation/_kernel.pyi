from typing import TypeAlias

RECORD_LIMIT: int

_Dialect: TypeAlias = tuple[bytes, bytes, int, int, int, int]
_Bad: TypeAlias = list[tuple[int, int, int, int]]

class DamagedError(Exception): ...

def aggregate_segment(
    path: bytes,
    start: int,
    end: int,
    rough: bool,
    base: int,
    dialect: _Dialect,
    skip_errors: bool,
    seed: int,
    memory: int,
    sample: int,
    output: bytes,
) -> tuple[int, int, bool, bool, int, int, int, _Bad, bytes, int]: ...
def aggregate_file(
    path: bytes,
    start: int,
    dialect: _Dialect,
    skip_errors: bool,
    seed: int,
    memory: int,
    output: bytes,
    header: bytes,
) -> tuple[bool, int, int, int, _Bad, int] | None: ...
def merge_partitions(
    partials: tuple[bytes, ...],
    first: int,
    last: int,
    output: bytes,
    seed: int,
    memory: int,
    range_size: int,
) -> tuple[int, bytes, int]: ...
def merge_file(
    partials: tuple[bytes, ...], output: bytes, seed: int, memory: int, header: bytes
) -> int | None: ...
def write_ranges(
    runs: tuple[bytes, ...], first: int, last: int, output: bytes, offset: int
) -> None: ...
def build_view(
    result: bytes,
    start: int,
    output: bytes,
    head_size: int,
    scratch: bytes,
    width: int,
    sort: int,
    descending: bool,
    memory: int,
    needle: bytes,
    first_date: int,
    last_date: int,
    folds: bytes,
) -> int: ...
def summarize(
    result: bytes, start: int, seed: int, memory: int, most_periods: int
) -> tuple[
    int, int, int, bytes, int, int, int, list[tuple[int, bytes]], list[tuple[bytes, bytes]]
]: ...
def json_lines(result: bytes, start: int, size: int) -> tuple[bytes, int]: ...
def use_index(name: str | None) -> bool: ...
def fail_allocation(count: int) -> None: ...
def allocated() -> int: ...
