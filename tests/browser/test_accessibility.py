"""For everybody: by keyboard, by screen reader, in the dark, on a phone."""

from __future__ import annotations

import asyncio
from importlib import resources
from typing import Any, Final

from playwright.async_api import Page, expect

from tests.browser.conftest import NewVisit, Visit
from tests.conftest import EXAMPLE

AXE: Final = (resources.files("axe_playwright_python") / "axe.min.js").read_text()
#: The rules of WCAG 2.2, levels A and AA, and what axe thinks is good practice besides.
RULES: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
BAD: Final = b"Song,Date,Number of Plays\nUmbrella,2020-01-01,12.5\n"
PHONE: Final[dict[str, Any]] = {
    "viewport": {"width": 360, "height": 740},
    "is_mobile": True,
    "has_touch": True,
}


async def violations(page: Page) -> list[str]:
    """What axe finds, in both colour schemes."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE)
    found = []
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        rules = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
        results = await page.evaluate("rules => axe.run(rules)", rules)
        assert results["testEngine"]["name"] == "axe-core"
        for rule in results["violations"]:
            found += [f"{scheme}: {rule['id']}: {node['html']}" for node in rule["nodes"]]
    return found


async def is_too_wide(page: Page) -> bool:
    return bool(await page.evaluate("document.documentElement.scrollWidth > innerWidth"))


async def test_axe_finds_nothing_before_there_are_files(visit: Visit) -> None:
    await visit.page.get_by_text("Options").click()
    assert await violations(visit.page) == []


async def test_axe_finds_nothing_in_totals_and_failures(visit: Visit) -> None:
    page = visit.page
    await visit.choose("bad.csv", BAD)
    await expect(visit.card("bad.csv")).to_contain_text("What to change")
    await page.get_by_text("Options").click()
    await page.get_by_label("Skip it, and count").check()
    await visit.choose("skipped.csv", EXAMPLE + BAD.splitlines()[1])
    await expect(page.locator(".window .row")).to_have_count(4)
    await page.get_by_text("1 bad record skipped").click()
    await page.get_by_text("As a table").click()
    await page.get_by_role("columnheader", name="Plays").get_by_role("button").click()
    assert await violations(page) == []
    await page.get_by_role("button", name="Delete: skipped.csv").click()
    assert await violations(page) == []


async def test_axe_finds_nothing_in_what_is_under_way_or_went_wrong(visit: Visit) -> None:
    await visit.choose("sheet.csv", b"PK\x03\x04" + bytes(100))
    await expect(visit.card("sheet.csv")).to_contain_text("Not taken")
    visit.forgive("status of 415")
    await visit.slow_down(50_000)
    for name in ("one.csv", "two.csv", "three.csv"):
        await visit.choose(name, b"\n" * 500_000)
    await expect(visit.card("three.csv")).to_contain_text("Waiting")
    await visit.card("two.csv").get_by_role("button", name="Cancel: two.csv").click()
    await expect(visit.card("two.csv")).to_contain_text("Cancelled")
    assert await violations(visit.page) == []
    await visit.page.reload()
    await expect(visit.card("one.csv")).to_contain_text("Interrupted")
    assert await violations(visit.page) == []


async def test_everything_can_be_done_by_keyboard(visit: Visit) -> None:
    page = visit.page

    async def tab_to(name: str) -> None:
        """Tab on to what has the name; what has the focus must show it, on every step."""
        for _ in range(40):
            await page.keyboard.press("Tab")
            assert await page.evaluate(_SHOWS_FOCUS)
            if await page.evaluate(_FOCUSED) == name:
                return
        raise AssertionError(f"{name} cannot be reached")

    chooser_opened = asyncio.Event()
    page.on("filechooser", lambda _: chooser_opened.set())
    await tab_to("Choose files")
    await page.keyboard.press("Enter")
    await chooser_opened.wait()
    await tab_to("Try the example")
    await page.keyboard.press("Enter")
    await expect(page.locator(".window .row")).to_have_count(4)
    await tab_to("example.csv")
    await tab_to("Plays per day; Enter shows the rows of one")
    await tab_to("Umbrella")
    await page.keyboard.press("Enter")
    await expect(page.locator(".window .row")).to_have_count(2)
    await tab_to("Search songs")
    await page.keyboard.press("ControlOrMeta+A")
    await page.keyboard.press("Delete")
    await expect(page.locator(".window .row")).to_have_count(4)
    await tab_to("Totals of example.csv")
    await tab_to("Plays")
    await page.keyboard.press("Enter")
    await expect(page.locator(".window .plays").first).to_have_text("1,500")
    await page.get_by_role("button", name="Delete: example.csv").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Keep")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Delete: example.csv")).to_be_focused()


_FOCUSED: Final = """() => {
    const { ariaLabel, labels, textContent } = document.activeElement;
    return ariaLabel ?? labels?.[0]?.textContent ?? textContent.trim();
}"""
#: The file input shows it on its label, as it is not seen itself.
_SHOWS_FOCUS: Final = """() => {
    const focused = document.activeElement;
    const shown = focused.type === "file" ? focused.nextElementSibling : focused;
    return shown === document.body || getComputedStyle(shown).outlineStyle !== "none";
}"""


async def test_a_screen_reader_is_told_what_happens_but_no_more(visit: Visit) -> None:
    await visit.page.evaluate(_RECORD_STATUS)
    await visit.slow_down(1_000_000)
    await visit.choose("plays.csv", b"Song,Date,Number of Plays\n" + b"A,2020-01-01,1\n" * 100_000)
    await expect(visit.page.get_by_role("status")).to_have_text("1 row, in the order of the file")
    told = await visit.page.evaluate("window.told")
    assert [text.partition(".csv: ")[2].partition(".")[0] for text in told[:-1]] == [
        "Uploading",
        "Adding up",
        "Done",
    ]


_RECORD_STATUS: Final = """() => {
    const status = document.getElementById("status");
    window.told = [];
    new MutationObserver(() => window.told.push(status.textContent))
        .observe(status, { childList: true, characterData: true, subtree: true });
}"""


async def test_a_phone_shows_everything_without_scrolling_sideways(new_visit: NewVisit) -> None:
    visit = await new_visit(**PHONE)
    assert not await is_too_wide(visit.page)
    await visit.page.get_by_text("Options").tap()
    assert not await is_too_wide(visit.page)
    name = f"{'a_long_name_without_blanks' * 4}.csv"
    long = b"%b,2020-01-01,9000000000000000000\n" % (b"S" * 300)
    await visit.choose(name, EXAMPLE + long * 3)
    await expect(visit.page.locator(".window .row")).to_have_count(5)
    await visit.choose("bad.csv", BAD.replace(b"12.5", b"x" * 500))
    await expect(visit.card("bad.csv")).to_contain_text("Failed")
    assert not await is_too_wide(visit.page)
    assert await violations(visit.page) == []


async def test_a_window_that_changes_its_width_is_filled_and_not_overfilled(visit: Visit) -> None:
    await visit.choose("plays.csv", EXAMPLE)
    await expect(visit.page.locator(".plot svg")).to_be_visible()
    for width in (1200, 360, 800):
        await visit.page.set_viewport_size({"width": width, "height": 800})
        await visit.page.wait_for_function(
            """() => {
                const plot = document.querySelector(".plot svg").getBoundingClientRect();
                return plot.right <= window.innerWidth && plot.width > window.innerWidth / 3;
            }""",
            timeout=5000,
        )
        assert not await is_too_wide(visit.page)


async def test_who_wants_no_motion_gets_none(visit: Visit, new_visit: NewVisit) -> None:
    moving = await new_visit(reduced_motion="no-preference")
    for one, expected in ((visit, 0), (moving, 1)):
        await one.page.evaluate(
            "document.querySelector('main').append(document.createElement('progress'))"
        )
        assert await one.page.evaluate("document.getAnimations().length") == expected
