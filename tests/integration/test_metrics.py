"""``/metrics``, and the dashboard and alerts in docs/ that are made of it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

from plays_service import __version__
from plays_service.aggregation import engine_name
from plays_service.api import UPLOADS
from tests.conftest import EXAMPLE, FILLER
from tests.integration.conftest import Gate, Service, StartService, request
from tests.waiting import eventually

DOCS: Final = Path(__file__).parents[2] / "docs"
BAD: Final = b"Song,Date,Number of Plays\nUmbrella,2020-01-01,many\n"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(service: Service) -> Samples:
    """Every sample, by its name and labels."""
    async with service.client.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        text = await answer.text()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def values(samples: Samples, name: str, label: str) -> Mapping[str, float]:
    return {dict(labels)[label]: found for (one, labels), found in samples.items() if one == name}


async def test_the_numbers_are_those_of_what_was_done(service: Service) -> None:
    for _ in range(3):
        await service.result(await service.upload(EXAMPLE))
    await service.result(await service.upload(BAD))
    await service.result(await service.upload(BAD + FILLER * 10))  # known before its end
    skipping = await service.upload(EXAMPLE + BAD[26:] * 2, params={"on_error": "skip"})
    await service.result(skipping)
    async with service.client.delete(f"/tasks/{skipping}") as answer:
        assert answer.status == 204
    async with service.client.get("/result/nothing") as answer:
        assert answer.status == 404
    await service.raw(b"GARBAGE\r\n\r\n")
    samples = await scrape(service)

    known = values(samples, "plays_tasks", "state")
    assert known == {"PENDING": 0, "STARTED": 0, "SUCCESS": 3, "FAILURE": 2, "REVOKED": 0}
    ended = values(samples, "plays_tasks_ended_total", "state")
    assert ended == {"SUCCESS": 4, "FAILURE": 2, "REVOKED": 0}
    assert value(samples, "plays_rows_total") == 4 * 7
    assert value(samples, "plays_rows_skipped_total") == 2
    assert value(samples, "plays_groups_total") == 4 * 4
    sent = 4 * len(EXAMPLE) + 2 * len(BAD) + 10 * len(FILLER) + 2 * len(BAD[26:])
    assert value(samples, "plays_upload_bytes_total") == sent
    for name in ("plays_task_duration_seconds", "plays_upload_duration_seconds"):
        assert value(samples, f"{name}_count") == value(samples, f"{name}_bucket", le="+Inf") == 6
        assert 0 < value(samples, f"{name}_sum") < 60
        buckets = [found for _, found in sorted(_buckets(samples, name))]
        assert buckets == sorted(buckets)
        assert len(buckets) == 20
    assert value(samples, "plays_worker_restarts_total") == 0
    assert value(samples, "plays_workers") == 1
    assert value(samples, "plays_ready") == 1
    assert value(samples, "plays_build_info", version=__version__, engine=engine_name()) == 1


def _buckets(samples: Samples, name: str) -> Iterator[tuple[float, float]]:
    for bound, found in values(samples, f"{name}_bucket", "le").items():
        yield float(bound), found


async def test_requests_are_told_apart_by_route_and_never_by_path(service: Service) -> None:
    for target in ("/result/secret-1", "/result/secret-2", "/secret", "/health", "/health"):
        async with service.client.get(target):
            pass
    await service.raw(request(method=b"SECRET", target=b"/health"))
    await service.raw(request(EXAMPLE, method=b"PUT", target=b"/process_csv/secret.csv"))
    samples = await scrape(service)
    counts = {
        (one["method"], one["route"], one["status"]): found
        for (name, labels), found in samples.items()
        if name == "plays_http_request_duration_seconds_count" and (one := dict(labels))
    }
    assert counts == {
        ("GET", "/result/{task_id}", "4xx"): 2,
        ("GET", "-", "4xx"): 1,
        ("GET", "/health", "2xx"): 2,
        ("OTHER", "-", "4xx"): 1,
        ("PUT", "/process_csv/{filename}", "2xx"): 1,
    }
    assert "secret" not in str(samples).lower()


async def test_what_is_under_way_is_told_as_it_is(start_service: StartService, gate: Gate) -> None:
    service = await start_service(max_queued_tasks=5)
    _, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(request(EXAMPLE, length=1000))
    task_ids = [await service.upload(EXAMPLE) for _ in range(5)]
    await gate.arrived.wait()
    samples = await scrape(service)
    assert value(samples, "plays_uploads") == 1
    assert value(samples, "plays_tasks_unfinished") == 5
    assert value(samples, "plays_tasks_unfinished_limit") == 5
    assert value(samples, "plays_calls_waiting") == 4  # one is with the worker
    assert value(samples, "plays_ready") == 0
    states = values(samples, "plays_tasks", "state")
    assert states["PENDING"] + states["STARTED"] == 5
    writer.close()
    gate.open()
    for task_id in task_ids:
        await service.result(task_id)
    await eventually(lambda: not service.app[UPLOADS])
    samples = await scrape(service)
    assert value(samples, "plays_uploads") == value(samples, "plays_calls_waiting") == 0
    assert value(samples, "plays_ready") == 1


async def test_the_disk_is_that_of_the_data_folder(service: Service) -> None:
    await service.result(await service.upload(EXAMPLE))
    samples = await scrape(service)
    disk = shutil.disk_usage(service.data_dir)
    assert value(samples, "plays_disk_size_bytes") == disk.total
    assert 0 < value(samples, "plays_disk_free_bytes") < disk.total
    on_disk = sum(
        path.lstat().st_blocks * 512 for path in service.data_dir.rglob("*") if path.is_file()
    )
    assert value(samples, "plays_data_bytes") == on_disk > 0


async def test_openmetrics_for_who_asks_for_it(service: Service) -> None:
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    async with service.client.get("/metrics", headers=accept) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=")
        names = {family.name for family in parse_openmetrics(await answer.text())}
    assert {"plays_tasks", "plays_build", "process_cpu_seconds"} <= names


@pytest.mark.parametrize("asked", ["version=9.9; escaping=", "version=; escaping=x", "version=x"])
async def test_the_format_is_told_as_it_is_whatever_is_asked_for(
    service: Service, asked: str
) -> None:
    accept = {"Accept": f"application/openmetrics-text; {asked}"}
    async with service.client.get("/metrics", headers=accept) as answer:
        content_type = answer.headers["Content-Type"]
        assert (answer.status, content_type) == (
            200, "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )  # fmt: skip
        assert list(parse_openmetrics(await answer.text()))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
async def test_promtool_has_nothing_to_say(service: Service) -> None:
    await service.result(await service.upload(EXAMPLE))
    async with service.client.get("/metrics") as answer:
        exposition = await answer.read()
    for words, given in (
        (("check", "metrics"), exposition),
        (("check", "rules", str(DOCS / "alerts.yml")), b""),
    ):
        process = await asyncio.create_subprocess_exec(
            "promtool", *words, stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        _, stderr = await process.communicate(given)
        assert (process.returncode, stderr) == (0, b"")


# The dashboard and the alerts


def _names_in(expressions: list[str]) -> set[str]:
    assert expressions
    without_labels = re.sub(r'"[^"]*"', "", " ".join(expressions))
    return set(re.findall(r"\b(?:plays|process)_\w+", without_labels))


async def names_of(service: Service) -> set[str]:
    await service.result(await service.upload(EXAMPLE))
    return {name for name, _ in await scrape(service)}


async def test_the_dashboard_shows_metrics_that_there_are(service: Service) -> None:
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
    panels: list[dict[str, Any]] = [one for one in dashboard["panels"] if one["type"] != "row"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert all(panel["targets"] for panel in panels)
    shown = _names_in([target["expr"] for panel in panels for target in panel["targets"]])
    known = await names_of(service)
    assert shown <= known
    assert {name for name in known if name.startswith("plays_")} - shown <= {
        name for name in known if name.endswith(("_sum", "_count"))
    }


async def test_the_alerts_are_of_metrics_that_there_are(service: Service) -> None:
    groups = yaml.safe_load((DOCS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) == 8
    for rule in rules:
        assert {"summary", "description"} == set(rule["annotations"])
    assert _names_in([rule["expr"] for rule in rules]) <= await names_of(service)
