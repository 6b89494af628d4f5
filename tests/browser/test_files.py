"""Files on their way to their totals, and what can happen to them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from playwright.async_api import expect

from tests.browser.conftest import NewVisit, Visit, worker_stands_still
from tests.conftest import EXAMPLE

BAD: Final = b"Song,Date,Number of Plays\nUmbrella,2020-01-02,200\nUmbrella,2020-01-01,12.5\n"
#: Takes seconds to upload where that is slowed down.
LARGE: Final = b"Song,Date,Number of Plays\n" + b"Umbrella,2020-01-01,1\n" * 100_000


async def test_dropped_files_become_totals(visit: Visit, tmp_path: Path) -> None:
    for name in ("one.csv", "two.csv", "three.csv", "four.csv"):
        (tmp_path / name).write_bytes(EXAMPLE)
    await visit.drop(*sorted(tmp_path.iterdir()))
    for path in tmp_path.iterdir():
        await expect(visit.card(path.name)).to_contain_text("7 records in 4 totals")
    await expect(visit.page.locator(".badge")).to_have_text(["Done"] * 4)


async def test_a_folder_is_not_taken_and_an_empty_file_is_named(
    visit: Visit, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "good.csv").write_bytes(EXAMPLE)
    await visit.drop(*sorted(tmp_path.iterdir()))
    notice = visit.page.get_by_role("alert")
    await expect(notice).to_contain_text("There is nothing in empty.csv.")
    await expect(notice).to_contain_text("Folders are not taken (folder)")
    await expect(visit.page.locator(".card")).to_have_count(1)
    await expect(visit.card("good.csv")).to_contain_text("Done")


async def test_the_example_can_be_tried(visit: Visit) -> None:
    await visit.page.get_by_role("button", name="Try the example").click()
    await expect(visit.card("example.csv")).to_contain_text("7 records in 4 totals")


async def test_uploading_and_adding_up_show_their_progress(visit: Visit) -> None:
    await visit.slow_down(800_000)
    await visit.choose("large.csv", LARGE)
    card = visit.card("large.csv")
    await expect(card.locator(".card-line")).to_have_text(
        re.compile(r"Uploading [1-9]\d?% · [\d.]+ (kB|MB) of 2\.2 MB · \d+ kB/s · .* left")
    )
    progress = card.get_by_role("progressbar", name="Uploading: large.csv")
    assert 0 < float(await progress.get_attribute("value") or 0) < 1
    with worker_stands_still(visit.server):
        await visit.slow_down(-1)
        await expect(card.get_by_role("progressbar", name="Adding up: large.csv")).to_be_visible()
    await expect(card).to_contain_text("100,000 records in 1 total ·")
    await expect(card.get_by_role("progressbar")).to_be_hidden()
    await expect(visit.page.get_by_role("status")).to_contain_text("1 row")


async def test_a_failed_file_shows_where_and_what_to_change(visit: Visit) -> None:
    await visit.choose("bad.csv", BAD)
    card = visit.card("bad.csv")
    await expect(card.locator(".badge")).to_have_text("Failed")
    await expect(card.locator(".facts dt")).to_have_text(["Line", "Column", "Value", "Problem"])
    await expect(card.locator(".facts dd")).to_have_text(
        ["3", "Number of Plays", "12.5", "is not a whole number"]
    )
    await expect(card).to_contain_text("What to change: Write a whole number such as 1250")
    await card.get_by_role("button", name="Skip bad records: bad.csv").click()
    await expect(card).to_contain_text("1 record in 1 total · 1 skipped")
    await card.get_by_text("1 bad record skipped").click()
    await expect(card.locator(".skipped li")).to_have_text(
        ['line 3: Number of Plays: "12.5" is not a whole number']
    )


async def test_a_file_that_is_tried_again_leaves_nothing_of_the_task_before(visit: Visit) -> None:
    await visit.choose("bad.csv", BAD)
    card = visit.card("bad.csv")
    await expect(card.locator(".badge")).to_have_text("Failed")
    with worker_stands_still(visit.server):
        await card.get_by_role("button", name="Skip bad records: bad.csv").click()
        await expect(card).to_have_attribute("data-phase", "working")
        await expect(card).not_to_contain_text("left")
    await expect(card).to_contain_text("1 skipped")
    await visit.page.reload()
    await expect(visit.page.locator(".badge")).to_have_text(["Done"])


async def test_the_options_go_with_the_file(visit: Visit) -> None:
    await visit.page.get_by_text("Options").click()
    await visit.page.get_by_label("Skip it, and count").check()
    await visit.page.get_by_label("Encoding of the files").select_option("cp1252")
    await visit.choose("old.csv", BAD + "Déjà Vu,2020-01-01,1\n".encode("cp1252"))
    await expect(visit.card("old.csv")).to_contain_text("2 records in 2 totals · 1 skipped")


async def test_a_file_that_is_refused_says_why(visit: Visit) -> None:
    await visit.choose("sheet.xlsx", b"PK\x03\x04" + bytes(100))
    card = visit.card("sheet.xlsx")
    await expect(card.locator(".badge")).to_have_text("Not taken")
    await expect(card).to_contain_text("zip archive or a spreadsheet; save it as CSV first")
    visit.forgive("status of 415")
    await card.get_by_role("button", name="Dismiss: sheet.xlsx").click()
    await expect(visit.page.locator(".card")).to_have_count(0)
    await expect(visit.page.get_by_role("heading", name="Your files")).to_be_hidden()


async def test_an_upload_can_be_cancelled_and_tried_again(visit: Visit) -> None:
    await visit.slow_down(300_000)
    await visit.choose("large.csv", LARGE)
    card = visit.card("large.csv")
    await expect(card).to_contain_text("Uploading")
    await card.get_by_role("button", name="Cancel: large.csv").click()
    await expect(card.locator(".badge")).to_have_text("Cancelled")
    await expect(card.get_by_role("button", name="Try again: large.csv")).to_be_focused()
    await visit.slow_down(-1)
    await visit.page.keyboard.press("Enter")
    await expect(card).to_contain_text("100,000 records in 1 total")


async def test_a_task_can_be_cancelled(visit: Visit) -> None:
    with worker_stands_still(visit.server):
        await visit.choose("plays.csv", EXAMPLE)
        card = visit.card("plays.csv")
        await expect(card).to_have_attribute("data-phase", "working")
        await card.get_by_role("button", name="Cancel: plays.csv").click()
        await expect(card.locator(".badge")).to_have_text("Cancelled")


async def test_files_come_back_after_a_reload(visit: Visit) -> None:
    await visit.choose("bad.csv", BAD)
    await expect(visit.card("bad.csv")).to_contain_text("Failed")
    await visit.choose("plays.csv", EXAMPLE)
    await expect(visit.card("plays.csv")).to_contain_text("Done")
    await visit.page.reload()
    await expect(visit.page.locator(".card-name")).to_have_text(["plays.csv", "bad.csv"])
    await expect(visit.page.locator(".badge")).to_have_text(["Done", "Failed"])
    await expect(visit.card("bad.csv")).to_contain_text("12.5")


async def test_a_task_under_way_goes_on_after_a_reload(visit: Visit) -> None:
    with worker_stands_still(visit.server):
        await visit.choose("plays.csv", EXAMPLE)
        await expect(visit.card("plays.csv")).to_have_attribute("data-phase", "working")
        await visit.page.reload()
        await expect(visit.card("plays.csv")).to_have_attribute("data-phase", "working")
    await expect(visit.card("plays.csv")).to_contain_text("7 records in 4 totals")


async def test_an_upload_that_a_reload_ends_says_so(visit: Visit) -> None:
    await visit.slow_down(100_000)
    await visit.choose("large.csv", LARGE)
    await expect(visit.card("large.csv")).to_contain_text("Uploading")
    await visit.page.reload()
    card = visit.card("large.csv")
    await expect(card.locator(".badge")).to_have_text("Interrupted")
    await expect(card).to_contain_text("Choose the file again")
    await card.get_by_role("button", name="Dismiss: large.csv").click()
    await visit.page.reload()
    await expect(visit.page.locator(".card")).to_have_count(0)


async def test_a_task_that_is_gone_says_so_and_can_be_dismissed(visit: Visit) -> None:
    await visit.choose("plays.csv", EXAMPLE)
    await expect(visit.card("plays.csv")).to_contain_text("Done")
    task_id = visit.page.url.partition("#")[2]
    await visit.page.request.delete(f"{visit.server.url}/tasks/{task_id}")
    await visit.page.reload()
    card = visit.card("plays.csv")
    await expect(card.locator(".badge")).to_have_text("No longer there")
    await expect(card).to_contain_text("it has expired, or was deleted")
    visit.forgive("status of 404")
    await card.get_by_role("button", name="Dismiss: plays.csv").click()
    await visit.page.reload()
    await expect(visit.page.locator(".card")).to_have_count(0)


async def test_totals_can_be_deleted_after_a_question(visit: Visit) -> None:
    await visit.choose("plays.csv", EXAMPLE)
    delete = visit.card("plays.csv").get_by_role("button", name="Delete: plays.csv")
    await delete.click()
    dialog = visit.page.get_by_role("dialog")
    await expect(dialog).to_contain_text("The totals of plays.csv are removed")
    await dialog.get_by_role("button", name="Keep").click()
    await expect(visit.card("plays.csv")).to_be_visible()
    address = visit.page.url.replace("#", "tasks/")
    await delete.click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(visit.page.locator(".card")).to_have_count(0)
    assert (await visit.page.request.get(address)).status == 404


async def test_another_tab_shows_the_same_files(visit: Visit) -> None:
    other = await visit.page.context.new_page()
    await other.goto(visit.server.url)
    await visit.choose("plays.csv", EXAMPLE)
    await expect(other.locator(".card-name")).to_have_text(["plays.csv"])
    await expect(other.locator(".badge")).to_have_text(["Done"])


async def test_an_address_shows_the_totals_to_others(visit: Visit, new_visit: NewVisit) -> None:
    await visit.choose("plays.csv", EXAMPLE)
    await expect(visit.card("plays.csv")).to_contain_text("Done")
    other = await new_visit()
    await other.page.goto(visit.page.url)
    await other.page.reload()
    await expect(other.card("plays.csv")).to_contain_text("7 records in 4 totals")
    await expect(other.page).to_have_title("plays.csv · Plays")


async def test_where_nothing_can_be_remembered_all_else_works(visit: Visit) -> None:
    await visit.page.add_init_script(_NO_STORAGE)
    await visit.page.reload()
    await visit.choose("plays.csv", EXAMPLE)
    await expect(visit.card("plays.csv")).to_contain_text("7 records in 4 totals")
    await expect(visit.page.locator(".window .row")).to_have_count(4)


_NO_STORAGE: Final = """
const get = () => { throw new DOMException("switched off", "SecurityError"); };
for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { get });
"""


async def test_what_others_left_in_the_storage_does_no_harm(visit: Visit) -> None:
    for text in ("{", "7", "[null, 1, {}]", '[{"id": "x", "name": 1, "added": "?"}]'):
        await visit.page.evaluate("text => localStorage.setItem('plays.tasks', text)", text)
        await visit.page.evaluate("text => sessionStorage.setItem('plays.uploads', text)", "9")
        await visit.page.reload()
    await visit.choose("plays.csv", EXAMPLE)
    await expect(visit.page.locator(".card-name")).to_have_text(["plays.csv"])
