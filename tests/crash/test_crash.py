"""A short campaign; `make crash` is the long one."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from plays_service.aggregation.steps import Step
from tests.crash.campaign import Campaign


@pytest.mark.parametrize("seed", [1])
async def test_nothing_is_lost_in_a_dozen_kills(tmp_path: Path, seed: int) -> None:
    async with aiohttp.ClientSession() as http:
        campaign = Campaign(tmp_path, seed, http)
        await campaign.run(12)
    assert len(campaign.client.promises) > 12
    named = {order.partition(",")[0] for order in campaign.kills} & set(Step)
    assert len(named) > 3, campaign.kills
