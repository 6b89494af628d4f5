"""The totals: counts, charts, the table, downloads."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Final

import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Visit
from tests.conftest import EXAMPLE, EXAMPLE_RESULT

HEADER: Final = b"Song,Date,Number of Plays\n"
#: Rows of a result that is too tall for a browser at 36 pixels a row.
MANY: Final = 300_000

#: Moves the scroll bar; done when that has been drawn.
_SCROLL: Final = """async (table, share) => {
    table.scrollTo(0, share * (table.scrollHeight - table.clientHeight));
    for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
}"""


def rows_of(page: Page) -> Locator:
    return page.locator(".table .window .row:visible")


def songs_of(page: Page) -> Locator:
    return page.locator(".table .window .song:visible")


@pytest_asyncio.fixture(loop_scope="session")
async def example(visit: Visit) -> Page:
    """The totals of the README's example, open."""
    await visit.choose("example.csv", EXAMPLE)
    await expect(rows_of(visit.page)).to_have_count(4)
    return visit.page


async def test_counts_and_rows_are_those_of_the_file(example: Page) -> None:
    await expect(example.locator(".figures dt")).to_have_text(["Plays", "Songs", "Days", "Totals"])
    await expect(example.locator(".figure")).to_have_text(["2,400", "2", "2", "4"])
    await expect(example.locator(".figures")).to_contain_text("2020-01-01 to 2020-01-02")
    lines = EXAMPLE_RESULT.decode().splitlines()[1:]
    for place, line in enumerate(lines):
        song, date, plays = line.split(",")
        cells = rows_of(example).nth(place).get_by_role("cell")
        await expect(cells).to_have_text([song, date, f"{int(plays):,}"])


async def test_the_table_sorts_by_each_column_and_back(example: Page) -> None:
    table = example.get_by_role("table", name="Totals of example.csv")
    plays = table.get_by_role("columnheader", name="Plays")
    cells = example.locator(".table .window .plays")
    for direction, expected in (
        ("descending", ["1,500", "500", "250", "150"]),
        ("ascending", ["150", "250", "500", "1,500"]),
        ("none", ["250", "150", "1,500", "500"]),
    ):
        await plays.get_by_role("button").click()
        await expect(plays).to_have_attribute("aria-sort", direction)
        await expect(cells).to_have_text(expected)
    await table.get_by_role("button", name="Song").click()
    await expect(songs_of(example)).to_have_text(["In The End"] * 2 + ["Umbrella"] * 2)
    await expect(plays).to_have_attribute("aria-sort", "none")
    await expect(example.get_by_role("status")).to_have_text("4 rows, by song, ascending")


async def test_the_table_is_searched_and_narrowed_to_days(example: Page) -> None:
    search = example.get_by_role("searchbox", name="Search songs")
    await search.fill("the e")
    await expect(songs_of(example)).to_have_text(["In The End"] * 2)
    await expect(example.locator(".table-status")).to_have_text("2 of 4 rows")
    await example.get_by_label("To", exact=True).fill("2020-01-01")
    await expect(songs_of(example)).to_have_text(["In The End"])
    await search.fill("nothing like it")
    await expect(example.locator(".table-status")).to_have_text("No row matches.")
    await search.fill("")
    await example.get_by_label("To", exact=True).fill("")
    await expect(rows_of(example)).to_have_count(4)


async def test_the_chart_tells_values_by_pointer_and_by_keys(example: Page) -> None:
    chart = example.get_by_role("slider", name="Plays per day")
    box = await chart.bounding_box()
    assert box is not None
    await example.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 100)
    await expect(example.locator(".tip")).to_have_text("750 2020-01-02")
    await example.mouse.move(0, 0)
    await expect(example.locator(".tip")).to_be_hidden()
    await chart.focus()
    await example.keyboard.press("Home")
    await expect(chart).to_have_attribute("aria-valuetext", "2020-01-01: 1,650 plays")
    await example.keyboard.press("ArrowRight")
    await expect(chart).to_have_attribute("aria-valuetext", "2020-01-02: 750 plays")
    await expect(example.locator(".tip")).to_be_visible()
    await example.keyboard.press("Enter")
    await expect(example.locator(".table-status")).to_have_text("2 of 4 rows")
    await expect(example.locator(".table .window .date")).to_have_text(["2020-01-02"] * 2)
    await example.get_by_text("As a table").click()
    await expect(example.locator(".scroll tbody tr")).to_have_text(
        ["2020-01-011,650", "2020-01-02750"]
    )


async def test_a_top_song_narrows_the_table_to_it(example: Page) -> None:
    songs = example.get_by_role("table", name="The songs with the most plays")
    await expect(songs.locator("tbody tr")).to_have_text(["In The End2,000", "Umbrella400"])
    await songs.get_by_role("button", name="Umbrella").click()
    await expect(songs_of(example)).to_have_text(["Umbrella"] * 2)


async def test_long_spans_are_charted_by_year_and_lead_to_their_days(visit: Visit) -> None:
    days = [f"A,2004-{month:02}-{day:02},1\n" for month in range(1, 13) for day in range(1, 29)]
    years = [f"A,{year:04}-02-15,2\n" for year in range(1, 1000)]
    await visit.choose("long.csv", HEADER + "".join(days + years).encode())
    chart = visit.page.get_by_role("slider")
    await expect(chart).to_have_accessible_name("Plays per year; Enter shows the rows of one")
    await chart.focus()
    await visit.page.keyboard.press("End")
    await visit.page.keyboard.press("Enter")
    await expect(visit.page.get_by_label("From")).to_have_value("2004-01-01")
    await expect(visit.page.get_by_label("To", exact=True)).to_have_value("2004-12-31")
    await expect(visit.page.locator(".table-status")).to_contain_text("336 of 1,335 rows")


async def test_totals_beyond_what_numbers_hold_are_shown_exactly(visit: Visit) -> None:
    most = 2**63 - 1
    await visit.choose("huge.csv", HEADER + b"A,2020-01-01,%d\n" % most * 3 + b"B,2020-01-01,-7\n")
    await expect(visit.page.locator(".figure").first).to_have_text(f"{most * 3 - 7:,}")
    await expect(visit.page.locator(".window .plays")).to_have_text([f"{most * 3:,}", "-7"])


async def test_songs_are_text_whatever_is_in_them(visit: Visit) -> None:
    long = "x" * 100_000
    songs = ["<img src=x onerror=alert(1)>", "=1+1", "a\u202eb", "日本の歌 🎵", "plays"]
    lines = "".join(f"{song},2020-01-01,1\n" for song in [*songs, long])
    await visit.choose("odd.csv", HEADER + lines.encode())
    await expect(songs_of(visit.page)).to_have_text([*songs, f"{long[:300]}…"])
    await visit.page.get_by_role("table", name="most plays").get_by_text(long[:300]).click()
    await expect(songs_of(visit.page)).to_have_text([f"{long[:300]}…"])


async def test_a_file_without_records_has_no_totals(visit: Visit) -> None:
    await visit.choose("bare.csv", HEADER)
    await expect(visit.card("bare.csv")).to_contain_text("a header and no records")


async def test_a_long_table_scrolls_to_any_row_and_keeps_few(visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    (tmp_path / "many.csv").write_bytes(
        HEADER + b"".join(b"Song %06d,2020-01-01,1\n" % number for number in range(MANY))
    )
    await visit.drop(tmp_path / "many.csv")
    await expect(songs_of(page).first).to_have_text("Song 000000")
    table = page.locator(".table")
    assert await table.get_attribute("aria-rowcount") == str(MANY + 1)

    await table.focus()
    await page.keyboard.press("End")
    await expect(songs_of(page).last).to_have_text(f"Song {MANY - 1:06}")
    await table.hover()
    await page.mouse.wheel(0, -36)  # row by row, though a pixel of the scroll bar is many rows
    await expect(songs_of(page).first).to_have_text(f"Song {MANY - 15:06}")

    places = random.Random(1)
    for _ in range(5):
        share = places.random()
        await table.evaluate(_SCROLL, share)
        first = rows_of(page).first
        index = int(await first.get_attribute("aria-rowindex") or 0) - 2
        assert abs(index - share * (MANY - 14)) < 50
        await expect(first.locator(".song")).to_have_text(f"Song {index:06}")
    await page.keyboard.press("Home")
    await expect(songs_of(page).first).to_have_text("Song 000000")
    assert await page.locator(".row").count() < 30


async def test_downloads_are_the_result_byte_for_byte(visit: Visit, tmp_path: Path) -> None:
    data = HEADER + b"".join(b"Song %d,2020-01-01,%d\n" % (n % 700, n) for n in range(2000))
    await visit.choose("plays.csv", data)
    card = visit.card("plays.csv")
    await expect(card).to_contain_text("700 totals")
    address = visit.page.url.replace("#", "result/")
    expected = await (await visit.page.request.get(address)).body()
    saved = []
    for name in ("Download CSV: plays.csv", "Download packed with gzip: plays.csv"):
        async with visit.page.expect_download() as download:
            await card.get_by_role("link", name=name).click()
        file = await download.value
        await file.save_as(tmp_path / file.suggested_filename)
        saved.append(file.suggested_filename)
    assert saved == ["plays-totals.csv", "plays-totals.csv.gz"]
    assert (tmp_path / saved[0]).read_bytes() == expected
    assert gzip.decompress((tmp_path / saved[1]).read_bytes()) == expected


async def test_totals_that_are_gone_meanwhile_say_so(visit: Visit) -> None:
    await visit.choose("plays.csv", EXAMPLE)
    await expect(rows_of(visit.page)).to_have_count(4)
    address = visit.page.url.replace("#", "tasks/")
    await visit.page.request.delete(address)
    await visit.page.get_by_role("button", name="Plays", exact=True).click()
    await expect(visit.page.locator(".table-status")).to_contain_text("expired")
    visit.forgive("status of 404")


async def test_one_result_is_open_at_a_time(visit: Visit) -> None:
    for name in ("one.csv", "two.csv"):
        await visit.choose(name, EXAMPLE)
        await expect(visit.card(name)).to_contain_text("Done")
    await expect(visit.page.locator(".result")).to_have_count(1)
    toggle = visit.page.get_by_role("button", name="two.csv", exact=True)
    await toggle.click()
    await expect(toggle).to_have_attribute("aria-expanded", "true")
    await expect(visit.card("two.csv").locator(".figures")).to_be_visible()
    await expect(visit.page.locator(".result")).to_have_count(1)
    await toggle.click()
    await expect(visit.page.locator(".result")).to_have_count(0)
