"""Four writers of the same facts, each a process, killed in the middle and started again: tables and KPIs are those of
one writer who had all the facts at once.
"""

import asyncio
import json
import os
import random
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import pytest

from domain.kpis.requests import AgentDimension, MessageDimension, Period
from domain.kpis.templates import TemplateDimension
from domain.storage.kpis.agents import agent_kpis
from domain.storage.kpis.messages import message_kpis
from domain.storage.kpis.payment_behaviour import payment_behaviour
from domain.storage.kpis.portfolio import portfolio_kpis
from domain.storage.kpis.templates import template_kpis
from domain.storage.kpis.traffic import traffic_kpis
from domain.storage.rollups.answering import current_message_kpis
from domain.storage.sessions import Database
from tests.conftest import ROOT
from tests.domain.storage.ingest.test_order import (
    as_data_set,
    deadlocks_so_far,
    random_facts,
    settled,
    split_parents_first,
)
from tests.facts import NOW, merge_facts

PROGRAM = Path(__file__).with_name("writer.py")
LONG = bool(os.environ.get("DUNWELL_TEST_LONG"))
WRITERS, PARTS = 4, 4
SEEDS, KILLS = (range(20, 30), 5) if LONG else ([20], 1)
WINTER = Period(NOW.replace(month=1), NOW.replace(month=5))


async def every_kpi(database: Database, tenant_id: int) -> dict[str, Any]:
    """All families; surrogate ids have no part in them."""
    told: dict[str, Any] = {"period": WINTER, "as_of": NOW}
    by = [MessageDimension.SEGMENT, MessageDimension.CHANNEL, MessageDimension.DPD_BUCKET]
    async with database.transaction(tenant_id) as connection:
        found = {
            "messages": await message_kpis(connection, tenant_id, by=by, **told),
            "traffic": await traffic_kpis(connection, tenant_id, **told),
            "agents": await agent_kpis(connection, tenant_id, by=AgentDimension.TEAM, **told),
            "portfolio": await portfolio_kpis(connection, tenant_id, **told),
            "payment behaviour": await payment_behaviour(connection, tenant_id, **told),
        }
    found["rollups"] = await current_message_kpis(database, tenant_id, by=by[:2], **told)
    found["templates"] = await template_kpis(database, tenant_id, by=list(TemplateDimension), **told)
    return found


async def start(url: str, tenant_id: int, file: Path) -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(PROGRAM), url, str(tenant_id), str(file)),
        stdout=PIPE,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )


async def write_in_spite_of_kills(
    url: str, tenant_id: int, file: Path, rng: random.Random, kills: int
) -> None:
    """Start the writer, kill it somewhere between two of its parts, start it again; the last one may finish."""
    for kill in range(kills + 1):
        writer = await start(url, tenant_id, file)
        assert writer.stdout is not None
        if kill == kills:
            assert await writer.wait() == 0
            assert len((await writer.stdout.read()).split()) == PARTS
            continue
        for _ in range(rng.randrange(1, PARTS - 1)):
            assert await writer.stdout.readline()
        await asyncio.sleep(rng.uniform(0, 0.1))
        writer.kill()
        await writer.wait()


@pytest.mark.parametrize("seed", SEEDS)
async def test_killed_and_repeated_writers_leave_what_one_writer_leaves(
    database: Database, owner_url: str, new_tenant, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    facts = random_facts(rng, debtors=8, children=40)
    at_once, by_four = new_tenant(), new_tenant()
    await merge_facts(database, at_once, as_data_set(facts))
    deadlocks = await deadlocks_so_far(database, by_four)
    writing = []
    for writer in range(WRITERS):
        file = tmp_path / f"{writer}.json"
        file.write_text(json.dumps(split_parents_first(facts, random.Random(seed + writer), PARTS)))
        kills = KILLS if LONG or writer < 2 else 0
        writing.append(write_in_spite_of_kills(owner_url, by_four, file, random.Random(seed * writer), kills))
    await asyncio.gather(*writing)
    assert await settled(database, by_four) == await settled(database, at_once)
    assert await every_kpi(database, by_four) == await every_kpi(database, at_once)
    assert await deadlocks_so_far(database, by_four) == deadlocks
