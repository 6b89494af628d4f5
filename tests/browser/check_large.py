"""1 GiB through the page, and what the browser holds meanwhile: `make browser-large`."""

from __future__ import annotations

import asyncio
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, CDPSession, expect

from tests.browser.conftest import Visit

pytestmark = pytest.mark.timeout(600)

MIB: Final = 1 << 20
SIZE: Final = 1024 * MIB
#: Bytes that a process may grow by while all of the file passes through it.
GROWTH: Final = 64 * MIB


def make_file(path: Path) -> int:
    """A file of at least `SIZE`; its records."""
    lines = [b"Song %d,2020-%02d-%02d,%d\n" % (n % 9973, n % 12 + 1, n % 28 + 1, n)
             for n in range(50_000)]  # fmt: skip
    block = b"".join(lines)
    times = SIZE // len(block) + 1
    with path.open("wb") as file:
        file.write(b"Song,Date,Number of Plays\n")
        for _ in range(times):
            file.write(block)
    return times * len(lines)


async def memory(session: CDPSession) -> dict[str, int]:
    """Bytes that the browser's processes hold themselves, by their type."""
    held: dict[str, int] = defaultdict(int)
    for process in (await session.send("SystemInfo.getProcessInfo"))["processInfo"]:
        try:
            status = Path(f"/proc/{process['id']}/status").read_text()
        except FileNotFoundError:
            continue  # it has just ended
        match = re.search(r"RssAnon:\s+([0-9]+) kB", status)
        held[process["type"]] += int(match[1]) << 10 if match else 0
    return held


async def test_the_tab_stays_as_small_as_it_was(
    browser: Browser, visit: Visit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = make_file(tmp_path / "large.csv")
    session = await browser.new_browser_cdp_session()
    before = await memory(session)
    most = dict(before)
    card = visit.card("large.csv")
    await visit.drop(tmp_path / "large.csv")
    await expect(card).to_be_visible()
    while await card.get_attribute("data-phase") in ("waiting", "sending", "working"):
        for kind, held in (await memory(session)).items():
            most[kind] = max(most.get(kind, 0), held)
        await asyncio.sleep(0.05)
    await expect(card).to_contain_text(f"{records:,} records in")
    lines = [
        f"{kind}: {before.get(kind, 0) / MIB:.0f} MiB before, {held / MIB:.0f} MiB at most\n"
        for kind, held in sorted(most.items())
    ]
    with capsys.disabled():
        sys.stdout.write(f"\n{await card.locator('.card-line').text_content()}\n{''.join(lines)}")
    for kind, held in most.items():
        assert held - before.get(kind, 0) < GROWTH, kind
