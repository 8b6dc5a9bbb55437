"""The exit status of a run."""

from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest
from chaos import conduct


@pytest.mark.parametrize(("broken", "status"), [([], 0), (["lost: romeo 17"], 1)])
async def test_a_broken_promise_is_a_failure(broken, status, tmp_path):
    run = SimpleNamespace(
        options=SimpleNamespace(seed=1, dir=str(tmp_path)),
        cluster=SimpleNamespace(plan=None),
        start_cluster=lambda: None,
        begin=AsyncMock(),
        finish=AsyncMock(),
        report=lambda: broken,
    )
    schedule = AsyncMock()
    assert await conduct(run, schedule) == status
    schedule.assert_awaited_once_with(run)
    run.finish.assert_awaited_once()
