"""Training runs and model versions: one live run, one champion, never an older one over a newer."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from domain.storage import models, tables, training_runs
from domain.storage.models import ModelError, TrainedVersion
from domain.storage.reads.segment_grounds import segment_ground
from domain.storage.sessions import Database
from domain.storage.training_runs import RunEnded, StoredRun, TrainingRunError
from domain.vocabulary import ModelStatus, Promotion, RunStatus

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def trained(data_to: datetime = NOW) -> TrainedVersion:
    return TrainedVersion(
        recipe="factorised-1",
        trained_at=NOW,
        data_from=data_to - timedelta(days=90),
        data_to=data_to,
        rows=1234,
        metrics=[{"name": "log_loss", "value": 0.3}],
        gate={"passed": True, "checks": []},
        manifest={"sha256": "00"},
        artefact=b"model",
    )


async def start(database: Database, tenant_id: int) -> tuple[StoredRun, bool]:
    async with database.transaction(tenant_id) as connection:
        return await training_runs.start_or_join_run(
            connection, tenant_id, as_of=NOW, promote=Promotion.AUTO, now=NOW
        )


async def make_version(database: Database, tenant_id: int, data_to: datetime = NOW) -> int:
    run, _ = await start(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        version_id = await models.store_version(connection, tenant_id, run.id, trained(data_to))
        await training_runs.succeed_run(connection, tenant_id, run.id, now=NOW)
    return version_id


async def statuses(database: Database, tenant_id: int) -> dict[int, str]:
    async with database.transaction(tenant_id) as connection:
        rows = await connection.execute(select(tables.model_version.c.version, tables.model_version.c.status))
        return {row.version: row.status for row in rows}


async def test_calls_at_once_join_one_run(database: Database, tenant_id: int) -> None:
    started = await asyncio.gather(*(start(database, tenant_id) for _ in range(8)))
    assert len({run.id for run, _ in started}) == 1
    assert sum(new for _, new in started) == 1


async def test_a_run_after_an_ended_one_is_new(database: Database, tenant_id: int) -> None:
    first, _ = await start(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        await training_runs.fail_run(connection, tenant_id, first.id, code="X", message="no data", now=NOW)
    second, new = await start(database, tenant_id)
    assert new
    assert second.id != first.id


async def test_run_after_run_on_one_connection(database: Database, tenant_id: int) -> None:
    # More often than a prepared statement stays with its custom plan.
    for _ in range(12):
        async with database.transaction(tenant_id) as connection:
            run, new = await training_runs.start_or_join_run(
                connection, tenant_id, as_of=NOW, promote=Promotion.NEVER, now=NOW
            )
            assert new
            await training_runs.succeed_run(connection, tenant_id, run.id, now=NOW)


async def test_progress_never_goes_back(database: Database, tenant_id: int) -> None:
    run, _ = await start(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        await training_runs.begin_run(connection, tenant_id, run.id, now=NOW)
        await training_runs.report_progress(connection, tenant_id, run.id, stage="learning", progress=0.6)
        again = await training_runs.report_progress(
            connection, tenant_id, run.id, stage="reading", progress=0.1
        )
    assert (again.stage, again.progress) == ("reading", 0.6)


async def test_beginning_again_keeps_the_first_instant(database: Database, tenant_id: int) -> None:
    run, _ = await start(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        await training_runs.begin_run(connection, tenant_id, run.id, now=NOW)
        again = await training_runs.begin_run(connection, tenant_id, run.id, now=NOW + timedelta(hours=1))
    assert (again.status, again.started_at) == (RunStatus.RUNNING, NOW)


async def test_storing_again_keeps_one_version(database: Database, tenant_id: int) -> None:
    run, _ = await start(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        first = await models.store_version(connection, tenant_id, run.id, trained())
        second = await models.store_version(connection, tenant_id, run.id, trained())
        count = await connection.scalar(select(func.count()).select_from(tables.model_version))
    assert first == second
    assert count == 1


async def test_a_cancelled_run_stores_nothing(database: Database, tenant_id: int) -> None:
    run, _ = await start(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        await training_runs.cancel_run(connection, tenant_id, run.id, now=NOW)
    async with database.transaction(tenant_id) as connection:
        with pytest.raises(RunEnded):
            await training_runs.report_progress(connection, tenant_id, run.id, stage="learning", progress=0.5)
        with pytest.raises(RunEnded):
            await models.store_version(connection, tenant_id, run.id, trained())
        with pytest.raises(TrainingRunError) as error:
            await training_runs.cancel_run(connection, tenant_id, run.id, now=NOW)
        assert error.value.code == "ALREADY_FINISHED"
    assert await statuses(database, tenant_id) == {}


async def test_a_promotion_retires_the_champion(database: Database, tenant_id: int) -> None:
    first = await make_version(database, tenant_id)
    second = await make_version(database, tenant_id, NOW + timedelta(days=1))
    for version_id in (first, second):
        async with database.transaction(tenant_id) as connection:
            await models.promote(connection, tenant_id, version_id, now=NOW + timedelta(days=2))
    assert await statuses(database, tenant_id) == {1: "RETIRED", 2: "CHAMPION"}


async def test_an_older_model_never_replaces_a_newer(database: Database, tenant_id: int) -> None:
    newer = await make_version(database, tenant_id, NOW)
    older = await make_version(database, tenant_id, NOW - timedelta(days=1))
    async with database.transaction(tenant_id) as connection:
        await models.promote(connection, tenant_id, newer, now=NOW)
    with pytest.raises(ModelError) as error:
        async with database.transaction(tenant_id) as connection:
            await models.promote(connection, tenant_id, older, now=NOW)
    assert error.value.code == "CHAMPION_KNOWS_MORE"
    assert await statuses(database, tenant_id) == {1: "CHAMPION", 2: "CHALLENGER"}


async def test_promotions_at_once_leave_one_champion(database: Database, tenant_id: int) -> None:
    versions = [await make_version(database, tenant_id) for _ in range(4)]

    async def promote(version_id: int) -> None:
        async with database.transaction(tenant_id) as connection:
            await models.promote(connection, tenant_id, version_id, now=NOW)

    await asyncio.gather(*(promote(version_id) for version_id in versions))
    found = list((await statuses(database, tenant_id)).values())
    assert found.count(ModelStatus.CHAMPION) == 1


async def test_rolling_back_goes_step_by_step(database: Database, tenant_id: int) -> None:
    for day in range(3):
        version_id = await make_version(database, tenant_id, NOW + timedelta(days=day))
        async with database.transaction(tenant_id) as connection:
            await models.promote(connection, tenant_id, version_id, now=NOW + timedelta(days=day))
    async with database.transaction(tenant_id) as connection:
        assert (await models.roll_back(connection, tenant_id)).version == 2
        assert (await models.roll_back(connection, tenant_id)).version == 1
        with pytest.raises(ModelError) as error:
            await models.roll_back(connection, tenant_id)
    assert error.value.code == "NO_PREVIOUS_CHAMPION"


async def test_rolling_back_never_leads_to_what_was_rolled_back_before(
    database: Database, tenant_id: int
) -> None:
    first, bad, other = [await make_version(database, tenant_id) for _ in range(3)]
    for day, version_id in enumerate((first, bad)):
        async with database.transaction(tenant_id) as connection:
            await models.promote(connection, tenant_id, version_id, now=NOW + timedelta(days=day))
    async with database.transaction(tenant_id) as connection:
        assert (await models.roll_back(connection, tenant_id)).id == first
        await models.promote(connection, tenant_id, other, now=NOW + timedelta(days=2))
        assert (await models.roll_back(connection, tenant_id)).id == first


async def test_rolling_back_finds_the_former_champion_though_the_clock_went_back(
    database: Database, tenant_id: int
) -> None:
    first, second = [await make_version(database, tenant_id) for _ in range(2)]
    for hours, version_id in ((0, first), (-1, second)):
        async with database.transaction(tenant_id) as connection:
            await models.promote(connection, tenant_id, version_id, now=NOW + timedelta(hours=hours))
    async with database.transaction(tenant_id) as connection:
        assert (await models.roll_back(connection, tenant_id)).id == first


async def test_another_tenants_version_is_unknown(database: Database, new_tenant) -> None:
    mine, other = new_tenant(), new_tenant()
    version_id = await make_version(database, mine)
    async with database.transaction(other) as connection:
        assert await models.find_version(connection, other, version_id) is None
        with pytest.raises(ModelError) as error:
            await models.load_artefact(connection, other, version_id)
    assert error.value.code == "NOT_FOUND"


async def test_nothing_decides_until_a_version_was_promoted(database: Database, tenant_id: int) -> None:
    """Then the champion does, and of the past the last that passed its gate on what was known by then."""
    older = await make_version(database, tenant_id, NOW - timedelta(days=9))
    newer = await make_version(database, tenant_id, NOW)

    async def deciding(as_of: datetime) -> int | None:
        found = await models.deciding_version_id(database, tenant_id, as_of=as_of)
        ground = await segment_ground(database, tenant_id, as_of=as_of, now=None)
        stamp = ground.version if ground else None
        assert found == (stamp and stamp.id)
        return found

    instants = (NOW + timedelta(days=1), NOW - timedelta(days=5), NOW - timedelta(days=10))
    assert [await deciding(at) for at in instants] == [None, None, None]
    async with database.transaction(tenant_id) as connection:
        await models.promote(connection, tenant_id, newer, now=NOW)
    assert [await deciding(at) for at in instants] == [newer, older, None]
