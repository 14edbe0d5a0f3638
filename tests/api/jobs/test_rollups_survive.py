"""Refreshers on real processes, killed in the middle of whatever they do, while four writers write."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text

from domain.kpis.requests import MessageDimension
from domain.storage.kpis.messages import message_kpis
from domain.storage.rollups.answering import current_message_kpis
from domain.storage.sessions import Database
from tests.api.programs import running
from tests.domain.storage.ingest.test_order import as_data_set, random_facts, split_parents_first
from tests.domain.storage.rollups.rollups import WINTER, assert_alike, kept_and_counted_anew
from tests.facts import NOW, merge_facts

PROGRAM = Path(__file__).with_name("refresher.py")
KILLS = 40 if os.environ.get("DUNWELL_TEST_LONG") else 4


@pytest.fixture
def owner_url(migrated_url: str) -> str:
    """Of a database with this tenant alone: refreshers count the days of all, and tests before leave many."""
    return migrated_url


@pytest_asyncio.fixture(loop_scope="session")
async def database(owner_url: str) -> AsyncIterator[Database]:
    database = Database(owner_url)
    yield database
    await database.close()


async def until_clean(database: Database, tenant_id: int) -> None:
    for _ in range(600):
        async with database.transaction(tenant_id) as connection:
            if not await connection.scalar(text("SELECT count(*) FROM dirty_day")):
                return
        await asyncio.sleep(0.1)
    pytest.fail("days stay dirty")


async def write(database: Database, tenant_id: int, facts: list, rng: random.Random) -> None:
    """The facts in many small parts, as they trickle in."""
    for part in split_parents_first(facts, rng, 12):
        await merge_facts(database, tenant_id, as_data_set(part))


async def test_killed_refreshers_lose_nothing_and_count_nothing_twice(
    database: Database, owner_url: str, tenant_id: int
) -> None:
    rng = random.Random(7)
    facts = random_facts(rng, debtors=8, children=60)
    writers = asyncio.gather(
        *(write(database, tenant_id, facts, random.Random(writer)) for writer in range(4))
    )
    for _ in range(KILLS):
        with running(PROGRAM, owner_url, says="refreshing"):
            await asyncio.sleep(rng.uniform(0.0, 0.6))  # then it dies of SIGKILL
    await writers
    with running(PROGRAM, owner_url, says="refreshing"):
        await until_clean(database, tenant_id)
    request = {"period": WINTER, "by": [MessageDimension.DAY, MessageDimension.CHANNEL], "as_of": NOW}
    found = await current_message_kpis(database, tenant_id, **request)
    async with database.snapshot(tenant_id) as connection:
        assert_alike(found, await message_kpis(connection, tenant_id, **request))
    kept, anew = await kept_and_counted_anew(database, tenant_id)
    assert kept == anew
