"""The refresher's turn: what waits is counted, what has just been counted waits a little."""

import pytest

from api.jobs import refreshing
from api.jobs.refreshing import RollupRefresher
from domain.storage.sessions import Database
from tests.facts import merge_facts, row


@pytest.mark.parametrize(("seconds", "counted"), [(3600.0, 0), (0.0, 1)])
async def test_a_day_that_changes_without_end_is_not_counted_without_end(
    database: Database, owner_url: str, tenant_id: int, monkeypatch, seconds: float, counted: int
) -> None:
    monkeypatch.setattr(refreshing, "_COUNTED_AGAIN_SECONDS", seconds)
    refresher = RollupRefresher(owner_url)
    await merge_facts(
        database, tenant_id, {"debtors": [row("debtors")], "communications": [row("communications")]}
    )
    assert await refresher.take_turn(database, tenant_id) == 1
    opened = row("events", communication="C1", kind="OPENED")
    await merge_facts(database, tenant_id, {"events": [opened]})
    assert await refresher.take_turn(database, tenant_id) == counted
    another = row("communications", reference="C2", sent_at="2026-02-02T10:00:00Z")
    await merge_facts(database, tenant_id, {"communications": [another]})
    assert await refresher.take_turn(database, tenant_id) == 1, "another day does not wait"
