"""Rows of a result by page, sort and filter; its summary."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from plays_service import aggregation
from plays_service.api import RUNNER
from plays_service.executors import WorkerDiedError
from plays_service.tasks import result_reader
from tests.conftest import EXAMPLE
from tests.integration.conftest import Gate, Service, StartService, message_of
from tests.waiting import LONG, eventually

EXAMPLE_ROWS = [
    {"song": "Umbrella", "date": "2020-01-02", "plays": 250},
    {"song": "Umbrella", "date": "2020-01-01", "plays": 150},
    {"song": "In The End", "date": "2020-01-01", "plays": 1500},
    {"song": "In The End", "date": "2020-01-02", "plays": 500},
]
HEADER = b"Song,Date,Number of Plays\n"


async def get(service: Service, path: str, **params: str) -> Any:
    async with service.client.get(path, params=params) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "application/json"
        return await answer.json()


async def refused(service: Service, path: str, **params: str) -> tuple[int, str]:
    async with service.client.get(path, params=params) as answer:
        return answer.status, message_of(await answer.read())


async def task_of(service: Service, data: bytes) -> str:
    """The path of a task that has succeeded."""
    task_id = await service.upload(data)
    task = await service.ended_task(task_id)
    assert task["state"] == "SUCCESS"
    return f"/tasks/{task_id}"


def derived(service: Service, path: str) -> list[str]:
    folder = service.folder(path.rpartition("/")[2]) / "derived"
    return sorted(one.name for one in folder.iterdir()) if folder.exists() else []


async def test_rows_come_in_order_of_appearance(service: Service) -> None:
    path = await task_of(service, EXAMPLE)
    assert await get(service, f"{path}/rows") == {
        "total": 4,
        "offset": 0,
        "rows": EXAMPLE_ROWS,
        "links": {"next": None, "prev": None},
    }


async def test_rows_are_sorted_and_ties_stay_in_order_of_appearance(service: Service) -> None:
    path = await task_of(service, EXAMPLE)
    expected = {
        ("appearance", "desc"): [3, 2, 1, 0],
        ("song", "asc"): [2, 3, 0, 1],
        ("song", "desc"): [0, 1, 2, 3],
        ("date", "asc"): [1, 2, 0, 3],
        ("date", "desc"): [0, 3, 1, 2],
        ("plays", "asc"): [1, 0, 3, 2],
        ("plays", "desc"): [2, 3, 0, 1],
    }
    for (sort, order), numbers in expected.items():
        page = await get(service, f"{path}/rows", sort=sort, order=order)
        assert page["rows"] == [EXAMPLE_ROWS[i] for i in numbers], (sort, order)


async def test_rows_are_filtered(service: Service) -> None:
    path = await task_of(service, EXAMPLE)
    for params, numbers in (
        ({"song": "UMBR"}, [0, 1]),
        ({"song": "e"}, [0, 1, 2, 3]),
        ({"song": "nothing like it"}, []),
        ({"date": "2020-01-01"}, [1, 2]),
        ({"date_from": "2020-01-02"}, [0, 3]),
        ({"date_to": "2020-01-01", "song": "end"}, [2]),
        ({"date": "2020-01-01", "date_from": "2020-01-02"}, []),
    ):
        page = await get(service, f"{path}/rows", **params)
        assert page["total"] == len(numbers), params
        assert page["rows"] == [EXAMPLE_ROWS[i] for i in numbers], params


async def test_links_lead_through_all_pages_and_back(service: Service) -> None:
    rows = b"".join(b'"Song, %d",2020-01-01,%d\n' % (i, i) for i in range(25))
    path = await task_of(service, HEADER + rows)
    link = f"{path}/rows?sort=plays&order=desc&song=Song%2C&limit=10"
    seen: list[int] = []
    while link:
        page = await get(service, link)
        seen += [row["plays"] for row in page["rows"]]
        last, link = page, page["links"]["next"]
    assert seen == list(range(24, -1, -1))
    back = await get(service, last["links"]["prev"])
    assert [row["plays"] for row in back["rows"]] == list(range(14, 4, -1))
    first = await get(service, back["links"]["prev"])
    assert first["links"]["prev"] is None
    back = await get(service, f"{path}/rows", offset="3", limit="10")
    first = await get(service, back["links"]["prev"])
    assert (first["offset"], len(first["rows"])) == (0, 10)
    beyond = await get(service, f"{path}/rows", offset="999999999999")
    assert (beyond["rows"], beyond["links"]["next"]) == ([], None)


async def test_a_page_of_long_songs_is_shorter(service: Service) -> None:
    songs = [b"%d%b" % (i, b"x" * 500_000) for i in range(6)]
    path = await task_of(service, HEADER + b"".join(b"%b,2020-01-01,1\n" % one for one in songs))
    page = await get(service, f"{path}/rows", order="desc")
    assert [row["song"][0] for row in page["rows"]] == ["5", "4", "3"]
    page = await get(service, page["links"]["next"])
    assert [row["song"][0] for row in page["rows"]] == ["2", "1", "0"]
    assert page["links"]["next"] is None


async def test_the_summary(service: Service) -> None:
    path = await task_of(service, EXAMPLE)
    for _ in range(2):  # made, found
        assert await get(service, f"{path}/summary") == {
            "rows": 4,
            "songs": 2,
            "dates": 2,
            "plays": 2400,
            "first_date": "2020-01-01",
            "last_date": "2020-01-02",
            "per_day_unit": "day",
            "per_day": [
                {"date": "2020-01-01", "plays": 1650},
                {"date": "2020-01-02", "plays": 750},
            ],
            "top_songs": [
                {"song": "In The End", "plays": 2000},
                {"song": "Umbrella", "plays": 400},
            ],
        }
    assert derived(service, path) == ["summary.json"]


async def test_answers_are_packed_for_who_asks(service: Service) -> None:
    path = await task_of(service, HEADER + b"".join(b"%d,2020-01-01,1\n" % i for i in range(100)))
    headers = {"Accept-Encoding": "gzip"}
    async with service.client.get(f"{path}/rows", headers=headers) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len((await answer.json())["rows"]) == 100
    async with service.client.get(f"{path}/rows?limit=1", headers=headers) as answer:
        assert "Content-Encoding" not in answer.headers


async def test_totals_are_exact_at_any_size(service: Service) -> None:
    path = await task_of(service, HEADER + b"a,2020-01-01,9223372036854775807\n" * 3)
    page = await get(service, f"{path}/rows", sort="plays")
    assert page["rows"][0]["plays"] == 3 * (2**63 - 1)
    summary = await get(service, f"{path}/summary")
    assert summary["plays"] == summary["top_songs"][0]["plays"] == 3 * (2**63 - 1)


async def test_a_result_without_rows(service: Service) -> None:
    path = await task_of(service, HEADER)
    for sort in ("appearance", "song"):
        page = await get(service, f"{path}/rows", sort=sort, order="desc")
        assert (page["total"], page["rows"]) == (0, [])
    summary = await get(service, f"{path}/summary")
    assert (summary["rows"], summary["first_date"], summary["per_day"]) == (0, None, [])


async def test_bad_parameters_are_refused_with_what_is_allowed(service: Service) -> None:
    path = await task_of(service, EXAMPLE)
    for name, value, hint in (
        ("sort", "size", "appearance, song, date, plays"),
        ("order", "up", "asc, desc"),
        ("offset", "-1", "number"),
        ("offset", "9" * 30, "number"),
        ("offset", "٣", "number"),
        ("limit", "0", "between 1 and 1000"),
        ("limit", "1001", "between 1 and 1000"),
        ("limit", "ten", "between 1 and 1000"),
        ("song", "x" * 201, "200"),
        ("date", "2020-02-30", "2020-01-31"),
        ("date_from", "yesterday", "2020-01-31"),
        ("date_to", "2020-01-0٣", "2020-01-31"),
    ):
        status, message = await refused(service, f"{path}/rows", **{name: value})
        assert (status, message.startswith(name), hint in message) == (400, True, True), message
    assert derived(service, path) == []


async def test_any_bytes_in_a_query_are_no_fault_of_the_service(service: Service) -> None:
    path = await task_of(service, EXAMPLE)
    for query in ("song=%FF%FE", "song=%00", "song=%ED%A0%80", "song=%F0%9F%8E%B5", "sort=%FF"):
        target = f"GET {path}/rows?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = await service.raw(target.encode())
        assert answer.split(b" ")[1] in (b"200", b"400"), (query, answer)


async def test_tasks_without_a_result(service: Service, gate: Gate) -> None:
    unknown = "/tasks/00000000-0000-4000-8000-000000000000"
    waiting = f"/tasks/{await service.upload(EXAMPLE)}"
    for what in ("rows", "summary"):
        assert (await refused(service, f"{unknown}/{what}"))[0] == 404
        status, message = await refused(service, f"{waiting}/{what}")
        assert status == 409
        assert "PENDING" in message or "STARTED" in message
    gate.open()
    failed = await service.upload(HEADER + b"a,2020-01-01,x\n")
    await service.ended_task(failed)
    status, message = await refused(service, f"/tasks/{failed}/rows")
    assert status == 409
    assert "FAILURE" in message
    assert "line 2" in message


async def test_the_same_question_at_once_is_worked_out_once(service: Service, gate: Gate) -> None:
    gate.open()
    path = await task_of(service, EXAMPLE)
    gate.close()
    asked = [
        asyncio.create_task(get(service, f"{path}/rows", sort="plays", limit=str(i + 1)))
        for i in range(20)
    ]
    await gate.arrived.wait()
    gate.open()
    pages = await asyncio.gather(*asked)
    assert [len(page["rows"]) for page in pages] == [min(i + 1, 4) for i in range(20)]
    assert len(derived(service, path)) == 1


async def test_views_are_bounded_and_made_again_after_a_restart(
    start_service: StartService,
) -> None:
    service = await start_service()
    path = await task_of(service, EXAMPLE)
    for i in range(20):
        await get(service, f"{path}/rows", sort="plays", song="e", date_from=f"2019-01-{i + 1:02}")
    assert len(derived(service, path)) == 8
    half_made = service.folder(path.rpartition("/")[2]) / "derived" / "x.view.0.tmp"
    half_made.write_bytes(b"half")
    await service.stop()
    service = await start_service()
    assert derived(service, path) == []
    assert (await get(service, f"{path}/rows", sort="plays", order="desc"))["total"] == 4
    await service.holds_only_ended_tasks()


async def test_a_flood_of_different_questions_is_bounded(service: Service) -> None:
    path = await task_of(service, EXAMPLE)

    async def ask(number: int) -> int:
        params = {"sort": "plays", "song": "e", "date_from": f"{number + 1000}-01-01"}
        async with service.client.get(f"{path}/rows", params=params) as answer:
            await answer.read()
            return answer.status

    statuses = await asyncio.gather(*(ask(number) for number in range(60)))
    assert set(statuses) == {200, 503}
    assert len(derived(service, path)) <= 8
    assert await service.is_healthy()
    await service.holds_only_ended_tasks()


async def test_what_is_made_counts_for_the_quota(start_service: StartService) -> None:
    service = await start_service(disk_quota=1_000_000)
    path = await task_of(service, EXAMPLE)
    disk = service.app[RUNNER].disk
    before = disk.used
    await get(service, f"{path}/rows", sort="plays")
    assert disk.used == before + 20 + 4  # a head, four offsets
    disk.quota = disk.used
    status, _ = await refused(service, f"{path}/summary")
    assert status == 507
    assert len((await get(service, f"{path}/rows", sort="plays"))["rows"]) == 4
    async with service.client.delete(path) as answer:
        assert answer.status == 204
    assert disk.used == 0


async def test_a_damaged_view_is_made_again(service: Service) -> None:
    path = await task_of(service, EXAMPLE)
    before = await get(service, f"{path}/rows", sort="song")
    (name,) = derived(service, path)
    view = service.folder(path.rpartition("/")[2]) / "derived" / name
    for damaged in (b"", view.read_bytes()[:-1], b"x" + view.read_bytes()[1:]):
        view.write_bytes(damaged)
        assert await get(service, f"{path}/rows", sort="song") == before


async def test_a_damaged_result_is_said_to_be_damaged(service: Service) -> None:
    path = await task_of(service, EXAMPLE)
    result = service.folder(path.rpartition("/")[2]) / "result.csv"
    result.write_bytes(result.read_bytes()[:-1])
    for what in ("rows?sort=song", "summary"):
        status, message = await refused(service, f"{path}/{what}")
        assert status == 500
        assert "damaged" in message
    await service.holds_only_ended_tasks()


async def test_a_task_that_is_removed_meanwhile(service: Service, gate: Gate) -> None:
    gate.open()
    path = await task_of(service, EXAMPLE)
    gate.close()
    asked = asyncio.create_task(refused(service, f"{path}/rows", sort="plays"))
    summary = asyncio.create_task(refused(service, f"{path}/summary"))
    await gate.arrived.wait()
    async with service.client.delete(path) as answer:
        assert answer.status == 204
    gate.open()
    assert (await asked)[0] == 404
    assert (await summary)[0] == 404
    await service.holds_no_tasks()


@pytest.mark.parametrize("bound", ["_MAKINGS", "_MAKINGS_OF_ONE"])
async def test_too_many_questions_at_once(
    start_service: StartService, gate: Gate, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(result_reader, bound, 1)
    service = await start_service(workers=2)
    gate.open()
    path = await task_of(service, EXAMPLE)
    gate.close()
    summary = asyncio.create_task(get(service, f"{path}/summary"))
    await gate.arrived.wait()
    gate.let(1)
    async with service.client.get(f"{path}/rows", params={"sort": "plays"}) as answer:
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        message_of(await answer.read())
    gate.open()
    assert (await summary)["rows"] == 4


async def test_a_question_under_way_is_answered_before_the_service_stops(
    service: Service, gate: Gate
) -> None:
    gate.open()
    path = await task_of(service, EXAMPLE)
    gate.close()
    asked = asyncio.create_task(get(service, f"{path}/summary"))
    await gate.arrived.wait()
    await service.app.shutdown()  # as the first step of stopping does
    gate.open()
    assert (await asked)["rows"] == 4
    await service.stop()
    await service.holds_only_ended_tasks()


async def test_pages_that_take_long_hold_up_no_upload(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await task_of(service, EXAMPLE)
    await get(service, f"{path}/rows")
    begun, may_end = threading.Semaphore(0), threading.Event()
    read_page = aggregation.read_page

    def slow(*args: Any) -> Any:
        begun.release()
        may_end.wait()
        return read_page(*args)

    monkeypatch.setattr(aggregation, "read_page", slow)
    monkeypatch.setattr(result_reader, "_PAGES", 40)
    asked = [asyncio.create_task(get(service, f"{path}/rows")) for _ in range(40)]
    try:
        await eventually(lambda: begun.acquire(blocking=False), lambda: "no page is being read")
        async with asyncio.timeout(LONG):
            await task_of(service, EXAMPLE)
            assert (await refused(service, f"{path}/rows"))[0] == 503
    finally:
        may_end.set()
    assert [page["rows"] for page in await asyncio.gather(*asked)] == [EXAMPLE_ROWS] * 40


async def test_workers_that_died_are_told_as_such(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await task_of(service, EXAMPLE)

    async def die(*_: object) -> None:
        raise WorkerDiedError("its worker died, 3 times in a row")

    monkeypatch.setattr(service.runner.calls, "run", die)
    for what in ("rows", "summary"):
        async with service.client.get(f"{path}/{what}") as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert "workers" in message_of(await answer.read())
