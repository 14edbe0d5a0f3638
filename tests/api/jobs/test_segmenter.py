"""The worker's segmenter applies the rules that large portfolios wait for."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from api.jobs.segmenting import Segmenter
from domain.storage.derived import draft_since, drafts, propose_segments
from domain.storage.sessions import Database
from tests.facts import NOW, merge_facts, row

RULE = {"key": "ALL", "name": "Everybody", "where": {}}


async def test_rules_that_wait_are_applied_in_the_background(
    database: Database, owner_url: str, tenant_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await merge_facts(database, tenant_id, {"debtors": [row("debtors")], "accounts": [row("accounts")]})
    monkeypatch.setattr(drafts, "AT_ONCE", 0)
    segmenter = Segmenter(owner_url)
    segmenter.start()
    try:
        async with database.transaction(tenant_id) as connection:
            assert not await propose_segments(connection, tenant_id, [RULE], now=NOW)
        deadline = datetime.now(UTC).timestamp() + 30
        pending = True
        while pending:
            assert datetime.now(UTC).timestamp() < deadline
            await asyncio.sleep(0.1)
            async with database.transaction(tenant_id) as connection:
                pending = await draft_since(connection, tenant_id) is not None
                segments = set(await connection.scalars(text("SELECT segment_key FROM debtor")))
    finally:
        await asyncio.to_thread(segmenter.stop)
    assert segments == {"ALL"}
