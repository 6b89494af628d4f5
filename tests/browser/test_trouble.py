"""Services that want a token, that go away, and networks that let no events through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest_asyncio
from playwright.async_api import expect

from tests.acceptance.conftest import Server
from tests.browser.conftest import NewVisit, Visit, start, worker_stands_still
from tests.conftest import EXAMPLE

#: More than a connection holds, so that the browser is still sending when it is refused.
LARGE: Final = b"Song,Date,Number of Plays\n" + b"Umbrella,2020-01-01,1\n" * 500_000


@pytest_asyncio.fixture(loop_scope="session")
async def guarded(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that wants a token."""
    (tmp_path / "tokens").write_text(f"ann {sha256(b'secret').hexdigest()}\n")
    server = await start(data_dir=tmp_path / "data", tokens_file=tmp_path / "tokens")
    yield server
    assert await server.terminate() == 0


async def test_a_token_is_asked_for_once_and_then_all_goes_on(
    guarded: Server, new_visit: NewVisit, tmp_path: Path
) -> None:
    visit = await new_visit(guarded)
    page = visit.page
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_bytes(LARGE)
    await visit.drop(tmp_path / "one.csv", tmp_path / "two.csv")
    dialog = page.get_by_role("dialog", name="This service asks for a token")
    await dialog.get_by_label("Token").fill("wrong")
    await page.keyboard.press("Enter")
    await expect(dialog).to_contain_text("The service does not know this token.")
    await dialog.get_by_label("Token").fill("secret")
    await page.keyboard.press("Enter")
    await expect(dialog).to_be_hidden()
    for name in ("one.csv", "two.csv"):
        await expect(visit.card(name)).to_contain_text("500,000 records in 1 total")
    assert "secret" not in str((await page.context.storage_state())["origins"])
    assert "secret" not in await page.evaluate("document.cookie")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download CSV: one.csv").click()
    assert Path(await (await download.value).path()).read_bytes().count(b"\n") == 2

    await page.reload()
    await expect(page.locator(".badge")).to_have_text(["Done", "Done"])
    await page.get_by_role("button", name="Sign out").click()
    await expect(dialog).to_be_visible()
    visit.complaints.clear()  # of 401 and of uploads that were cut off: as many as there were


async def test_what_is_under_way_waits_for_a_service_that_is_away(
    tmp_path: Path, new_visit: NewVisit
) -> None:
    server = await start(data_dir=tmp_path)
    visit = await new_visit(server)
    with worker_stands_still(server):
        await visit.choose("plays.csv", EXAMPLE)
        card = visit.card("plays.csv")
        await expect(card).to_have_attribute("data-phase", "working")
        server.process.kill()
    await server.ended()
    await expect(card).to_contain_text("The service cannot be reached. Trying again…")
    server = await start(data_dir=tmp_path, port=server.port)
    await expect(visit.page.locator(".window .row")).to_have_count(4, timeout=20_000)
    visit.forgive("net::ERR_")
    assert await server.terminate() == 0


async def test_an_upload_to_a_service_that_is_away_can_be_tried_again(
    tmp_path: Path, new_visit: NewVisit
) -> None:
    server = await start(data_dir=tmp_path)
    visit = await new_visit(server)
    await server.kill()
    await visit.choose("plays.csv", EXAMPLE)
    card = visit.card("plays.csv")
    await expect(card).to_contain_text("The service cannot be reached.")
    server = await start(data_dir=tmp_path, port=server.port)
    await card.get_by_role("button", name="Try again: plays.csv").click()
    await expect(visit.page.locator(".window .row")).to_have_count(4)
    visit.forgive("net::ERR_")
    assert await server.terminate() == 0


async def test_without_events_it_asks(visit: Visit) -> None:
    await visit.page.route("**/events", lambda route: route.abort())
    with worker_stands_still(visit.server):
        await visit.choose("plays.csv", EXAMPLE)
        await expect(visit.card("plays.csv")).to_have_attribute("data-phase", "working")
        async with visit.page.expect_request("**/events"):
            pass
    await expect(visit.card("plays.csv")).to_contain_text("7 records in 4 totals")
    visit.forgive("net::ERR_FAILED")
