"""A real browser on the real server: one of each for all tests, a fresh profile for each test."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    FilePayload,
    Locator,
    Page,
    Request,
    Response,
    async_playwright,
    expect,
)

from tests.acceptance.conftest import Server, clean_environment, command

CHROMIUM: Final = shutil.which("chromium") or "/usr/bin/chromium"
#: It must do nothing but what a test asks for, as root and without a graphics card.
_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
#: Milliseconds: far more than anything here takes.
LONG: Final = 20_000.0

_HERE: Final = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all that use the browser, or none of them where there is none."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            if not Path(CHROMIUM).exists():
                item.add_marker(pytest.mark.skip("Chromium is not installed: apt install chromium"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=LONG)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    server = await start(data_dir=tmp_path_factory.mktemp("data"))
    yield server
    if server.process.returncode is None:
        assert await server.terminate() == 0
    assert "Traceback" not in "".join(server.log)


async def start(**flags: object) -> Server:
    """A server with one worker; whoever starts it must end it."""
    process = await asyncio.create_subprocess_exec(
        *command("serve", **{"port": 0, "workers": 1} | flags),
        stderr=PIPE,
        env=clean_environment(),
    )
    server = Server(process, Path(str(flags["data_dir"])))
    await server.listening()
    return server


@contextmanager
def worker_stands_still(server: Server) -> Iterator[None]:
    """No task gets further for that time."""
    workers = server.workers()
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)


class Visit:
    """A visitor with a profile of its own on the page; knows what the browser complains of."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.complaints: list[str] = []
        self._network: CDPSession | None = None
        page.set_default_timeout(LONG)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._on_request)
        page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.server.url}/", "blob:")):
            self.complaints.append(f"a request to {request.url}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.url} failed: {response.status}")

    def forgive(self, text: str) -> None:
        """The browser must have complained of that, and it is all right."""
        assert any(text in complaint for complaint in self.complaints), self.complaints
        self.complaints = [one for one in self.complaints if text not in one]

    def card(self, name: str) -> Locator:
        """What the list shows of a file."""
        return self.page.locator(".card").filter(
            has=self.page.get_by_role("heading", name=name, exact=True)
        )

    async def drop(self, *paths: Path) -> None:
        """Drop files, as the browser does when a person lets go of them over the page."""
        box = await self.page.locator("#drop").bounding_box()
        assert box is not None
        session = await self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            await session.send(
                "Input.dispatchDragEvent",
                {"type": kind, "x": box["x"] + 20, "y": box["y"] + 20, "data": data},
            )
        await session.detach()

    async def choose(self, name: str, content: bytes) -> None:
        """Choose a file in the browser's dialog."""
        file = FilePayload(name=name, mimeType="text/csv", buffer=content)
        await self.page.set_input_files("#files", files=[file])

    async def slow_down(self, bytes_per_second: int) -> None:
        """Let uploads take their time; -1: as fast as they can."""
        if self._network is None:  # its end would be the end of the slowness
            self._network = await self.page.context.new_cdp_session(self.page)
        await self._network.send(
            "Network.emulateNetworkConditions",
            {
                "offline": False,
                "latency": 0,
                "downloadThroughput": -1,
                "uploadThroughput": bytes_per_second,
            },
        )


class NewVisit(Protocol):
    """Opens the page in a fresh profile, with options of Playwright's `Browser.new_context`."""

    def __call__(self, server: Server | None = None, **options: Any) -> Awaitable[Visit]: ...


@pytest_asyncio.fixture(loop_scope="session")
async def new_visit(browser: Browser, server: Server) -> AsyncIterator[NewVisit]:
    """Opens the page for visitors; at the end, no browser may have complained."""
    visits: list[Visit] = []
    contexts: list[BrowserContext] = []
    shared = server

    async def visit(server: Server | None = None, **options: Any) -> Visit:
        context = await browser.new_context(**{"reduced_motion": "reduce"} | options)
        contexts.append(context)
        visits.append(Visit(await context.new_page(), server or shared))
        await visits[-1].page.goto(visits[-1].server.url)
        return visits[-1]

    yield visit
    for context in contexts:
        await context.close()
    assert [one.complaints for one in visits] == [[] for _ in visits]


@pytest_asyncio.fixture(loop_scope="session")
async def visit(new_visit: NewVisit) -> Visit:
    """The page, opened for the first time."""
    return await new_visit()
