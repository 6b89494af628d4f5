"""A short campaign of kills; `make cluster-crash` is the long one."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from benchmarks.service.rabbitmq import RabbitMQ
from tests.cluster.campaign import Campaign


async def test_nothing_is_lost_whatever_is_killed(broker: RabbitMQ, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        campaign = Campaign(tmp_path, broker, 1, http)
        await campaign.run(9, broker_kills=1)
    assert campaign.kills.total() == 9
    assert len(campaign.client.promises) > 12
