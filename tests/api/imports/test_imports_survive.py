"""Imports on real processes, killed while they merge events in parts."""

import asyncio
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import text

from api.imports import import_folder
from domain.storage.derived.segment_sets import own_segments
from domain.storage.sessions import Database
from tests.api.imports.test_parts import commits, data_set
from tests.api.programs import running
from tests.domain.storage.ingest.test_order import settled
from tests.facts import NOW

PROGRAM = Path(__file__).with_name("importer.py")
KILLS = 30 if os.environ.get("DUNWELL_TEST_LONG") else 4


async def until_it_went_on(database: Database, tenant_id: int, process: "subprocess.Popen[str]") -> None:
    """Until it has committed one more part, or is through."""
    before = await commits(database, tenant_id)
    for _ in range(6000):
        if await commits(database, tenant_id) > before or process.poll() is not None:
            return
        await asyncio.sleep(0.005)
    pytest.fail("the import stands still")


async def events(database: Database, tenant_id: int) -> int:
    """Stored ones, once nobody merges any more: what a killed import had asked for last may still be under way."""
    async with database.transaction(tenant_id) as connection:
        await own_segments(connection, tenant_id)
        return int(await connection.scalar(text("SELECT count(*) FROM event")))


async def test_imports_killed_in_their_parts_are_completed_by_the_next(
    database: Database, owner_url: str, new_tenant, tmp_path: Path
) -> None:
    rng = random.Random(11)
    folder, rejects = data_set(tmp_path / "facts", rng, children=25 * KILLS), tmp_path / "rejects.csv"
    undisturbed, disturbed = new_tenant(), new_tenant()
    once = await import_folder(database, undisturbed, folder, rejects=rejects, now=NOW)
    bad_lines = rejects.read_text()
    at_work, stored = 0, [0]
    for _ in range(KILLS):
        with running(PROGRAM, owner_url, disturbed, folder, rejects, says="importing") as process:
            await until_it_went_on(database, disturbed, process)
            await asyncio.sleep(rng.uniform(0.0, 0.05))  # then it dies of SIGKILL
        at_work += process.returncode == -signal.SIGKILL
        stored.append(await events(database, disturbed))
    assert at_work >= KILLS / 2
    assert stored == sorted(stored)  # what was committed stays
    assert 0 < stored[1] < once.tables["events"].accepted
    last = await import_folder(database, disturbed, folder, rejects=rejects, now=NOW)
    assert last.tables["events"].accepted == once.tables["events"].accepted - stored[-1]
    assert rejects.read_text() == bad_lines
    assert await settled(database, disturbed) == await settled(database, undisturbed)
