"""Services that want a token, that go away, and networks that let no events through."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest_asyncio
from playwright.async_api import Route, expect

from tests.acceptance.conftest import Server
from tests.browser.conftest import NewVisit, Visit, start, worker_stands_still
from tests.conftest import EXAMPLE
from tests.waiting import eventually

#: More than a connection holds, so that the browser is still sending when it is refused.
LARGE: Final = b"Song,Date,Number of Plays\n" + b"Umbrella,2020-01-01,1\n" * 500_000
#: The address of a task itself.
_TASK: Final = re.compile(r"/tasks/[0-9a-f-]{36}$")


class Held:
    """Requests that do not reach the service before they are let go."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def hold(self, route: Route) -> None:
        self.routes.append(route)

    async def let_go(self) -> None:
        for route in self.routes:
            await route.continue_()


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
    for _ in range(3):  # there is nothing to do without it
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_visible()
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
    await page.close()  # it asks again, and each answer is another complaint
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
    await visit.page.close()  # or it would look for a service that is away once more
    assert await server.terminate() == 0


async def test_what_was_sent_in_whole_is_not_said_to_be_gone(
    tmp_path: Path, new_visit: NewVisit
) -> None:
    server = await start(data_dir=tmp_path)
    visit = await new_visit(server)
    server.process.send_signal(signal.SIGSTOP)
    for name in ("one.csv", "two.csv"):
        await visit.choose(name, EXAMPLE)
        await expect(visit.card(name)).to_contain_text("Uploading 100%")
    await visit.card("one.csv").get_by_role("button", name="Cancel: one.csv").click()
    await expect(visit.card("one.csv")).to_contain_text("all of it was sent: the service may have")
    await server.kill()
    await expect(visit.card("two.csv")).to_contain_text("It may have the file all the same")
    visit.forgive("net::ERR_")


async def test_without_events_it_asks(visit: Visit) -> None:
    await visit.page.route("**/events", lambda route: route.abort())
    with worker_stands_still(visit.server):
        await visit.choose("plays.csv", EXAMPLE)
        await expect(visit.card("plays.csv")).to_have_attribute("data-phase", "working")
        async with visit.page.expect_request("**/events"):
            pass
    await expect(visit.card("plays.csv")).to_contain_text("7 records in 4 totals")
    visit.forgive("net::ERR_FAILED")


async def test_where_events_are_held_back_it_asks_and_opens_no_more_streams(visit: Visit) -> None:
    page = visit.page
    await page.clock.install()
    await page.reload()
    streams = Held()
    await page.route("**/events", streams.hold)
    with worker_stands_still(visit.server):
        await visit.choose("plays.csv", EXAMPLE)
        await expect(visit.card("plays.csv")).to_have_attribute("data-phase", "working")
        await eventually(lambda: streams.routes)  # it is given up only once it is there
        for _ in range(3):
            async with page.expect_request(_TASK):
                await page.clock.fast_forward(6_000)
    await expect(visit.card("plays.csv")).to_contain_text("7 records in 4 totals")
    assert len(streams.routes) == 1
    await streams.let_go()


async def test_a_stream_that_falls_silent_is_given_up(visit: Visit) -> None:
    page = visit.page
    await page.clock.install()
    await page.reload()
    with worker_stands_still(visit.server):
        async with page.expect_response("**/events"):
            await visit.choose("plays.csv", EXAMPLE)
        await expect(visit.card("plays.csv")).to_have_attribute("data-phase", "working")
        async with page.expect_request(_TASK):
            await page.clock.fast_forward(41_000)
    await expect(visit.card("plays.csv")).to_contain_text("7 records in 4 totals")


def bad_gateway(body: str) -> Callable[[Route], Awaitable[None]]:
    return lambda route: route.fulfill(status=502, body=body)


async def test_answers_that_are_not_the_services_cost_no_task(visit: Visit) -> None:
    page = visit.page
    await page.route("**/events", lambda route: route.abort())
    with worker_stands_still(visit.server):
        await visit.choose("plays.csv", EXAMPLE)
        card = visit.card("plays.csv")
        await expect(card).to_have_attribute("data-phase", "working")
        await page.route(_TASK, lambda route: route.fulfill(body="<h1>Welcome to the hotel</h1>"))
        await expect(card).to_contain_text("Something else answers in place of the service. Trying")
        await expect(card).to_have_attribute("data-phase", "working")
        await page.unroute(_TASK)
        for body in ('{"error": "no upstream"}', "null"):
            await page.route(_TASK, bad_gateway(body))
            await expect(card).to_contain_text("The service answered with the status 502. Trying")
            await page.unroute(_TASK)
    await expect(card).to_contain_text("7 records in 4 totals")
    visit.forgive("net::ERR_FAILED")
    visit.forgive("502")


async def test_a_question_that_failed_can_be_asked_again(visit: Visit) -> None:
    page = visit.page
    again = page.get_by_role("button", name="Ask again")
    await page.route("**/summary", lambda route: route.abort(), times=1)
    await visit.choose("plays.csv", EXAMPLE)
    await again.click()
    rows = page.locator(".window .row:visible")
    await expect(rows).to_have_count(4)
    await page.route("**/rows?*", lambda route: route.abort(), times=1)
    await page.get_by_role("searchbox").fill("umbrella")
    await expect(page.locator(".table-status")).to_contain_text("cannot be reached. Ask again")
    await again.click()
    await expect(rows).to_have_count(2)
    await expect(again).to_be_hidden()
    visit.forgive("net::ERR_FAILED")


async def test_a_task_of_which_nothing_is_known_is_dismissed_without_deleting_it(
    visit: Visit,
) -> None:
    page = visit.page
    await visit.choose("plays.csv", EXAMPLE)
    card = visit.card("plays.csv")
    await expect(card).to_contain_text("Done")
    address = page.url.replace("#", "tasks/")
    await page.route(_TASK, lambda route: route.fulfill(status=403, body="No."))
    await page.reload()
    await card.get_by_role("button", name="Dismiss: plays.csv").click()
    await expect(page.locator(".card")).to_have_count(0)
    assert (await page.request.get(address)).status == 200
    visit.forgive("status of 403")


async def test_a_task_that_ends_before_it_is_cancelled_keeps_its_totals(visit: Visit) -> None:
    page = visit.page
    looks = Held()
    await page.route("**/events", lambda route: route.abort())
    with worker_stands_still(visit.server):
        await visit.choose("plays.csv", EXAMPLE)
        card = visit.card("plays.csv")
        await expect(card).to_have_attribute("data-phase", "working")
        async with page.expect_request(_TASK) as look:
            await page.route(_TASK, looks.hold, times=1)
    result = (await look.value).url.replace("/tasks/", "/result/")
    assert "Umbrella" in await (await page.request.get(f"{result}?wait=30")).text()
    await card.get_by_role("button", name="Cancel: plays.csv").click()
    await expect(card).to_contain_text("7 records in 4 totals")
    await expect(page.get_by_role("alert")).to_be_hidden()
    await looks.let_go()
    visit.forgive("net::ERR_FAILED")
    visit.forgive("status of 409")
