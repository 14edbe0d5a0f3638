"""Forecasts are kept day by day, held against what came, and shown with the model that decides."""

import asyncio
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import func, select, text

from api.forecasting.keeping import HORIZON_DAYS, ForecastKeeper
from api.imports import import_folder
from domain.storage.kept_forecasts import KeptForecast, kept_forecasts, record_drift, settled_forecasts
from domain.storage.models import champion, promote
from domain.storage.sessions import Database
from domain.storage.tables import kept_forecast
from domain.storage.tenants import create_tenant
from ml.forecast import Kpi
from ml.simulator import simulate, write
from tests.api.learned import AS_OF, END
from tests.api.models import store_model
from tests.facts import merge_facts, row, stored

BEFORE = AS_OF - timedelta(days=35)
#: When a day's forecast is kept: by then what was imported in the morning is there.
EVENING = timedelta(hours=18)


@pytest_asyncio.fixture(loop_scope="session")
async def sender(database: Database, new_tenant, tmp_path: Path) -> int:
    return await new_sender(database, new_tenant(), tmp_path)


async def new_sender(database: Database, tenant_id: int, tmp_path: Path) -> int:
    """Give a tenant 150 debtors and a champion."""
    write(simulate(150, seed=5, end=END), tmp_path / "world")
    await import_folder(database, tenant_id, tmp_path / "world", rejects=tmp_path / "rejects.csv", now=AS_OF)
    await store_model(database, tenant_id, version=1, status="CHAMPION")
    return tenant_id


async def _kept(database: Database, tenant_id: int) -> list[KeptForecast]:
    async with database.transaction(tenant_id) as connection:
        version = await champion(connection, tenant_id)
        assert version is not None
        return await kept_forecasts(connection, tenant_id, version.id)


async def _keep(database: Database, owner_url: str, tenant_id: int, folder: Path, now: datetime) -> int:
    return await ForecastKeeper(owner_url, folder, lambda: now + EVENING).take_turn(database, tenant_id)


async def test_each_day_is_kept_once_and_judged_when_settled(
    database: Database, owner_url: str, sender: int, tmp_path: Path, api_of, services
) -> None:
    assert await _keep(database, owner_url, sender, tmp_path, BEFORE) == 1
    first = await _kept(database, sender)
    assert {one.made_on for one in first} == {BEFORE.date()}
    assert {one.kpi for one in first} == set(Kpi)
    assert all(one.actual is None and one.p05 <= one.p50 <= one.p95 for one in first)
    sent = [one.day for one in first if one.kpi == "SENT"]
    assert sent == [BEFORE.date() + timedelta(days=ahead) for ahead in range(HORIZON_DAYS)]
    # Another worker, or the same again: nothing is added, nothing changes.
    assert await _keep(database, owner_url, sender, tmp_path, BEFORE + timedelta(hours=5)) == 0
    assert await _kept(database, sender) == first

    assert await _keep(database, owner_url, sender, tmp_path, AS_OF + timedelta(hours=3)) == 1
    kept = await _kept(database, sender)
    judged = {(one.kpi, one.currency, one.day): one for one in kept if one.made_on == BEFORE.date()}
    counted = await _messages_per_day(database, sender)
    settled = END - timedelta(days=14)
    for day in sent:
        actual = judged["SENT", None, day].actual
        assert actual == (counted.get(day, 0) if day < settled else None)
        opened = judged.get(("OPEN_RATE", None, day))
        assert opened is None or day < settled or opened.actual is None
    assert {one.day for one in kept if one.made_on == END} >= {END}

    async with database.transaction(sender) as connection:
        version = await champion(connection, sender)
    assert version is not None
    assert version.drift is not None
    assert "SENT" in [row["kpi"] for row in version.drift["rows"]]
    await _is_shown(api_of, services, sender, version.id, judged)


async def _messages_per_day(database: Database, tenant_id: int) -> dict[date, int]:
    counted = text(
        "SELECT CAST(sent_at AT TIME ZONE 'UTC' AS date), count(*) FROM communication "
        "WHERE direction = 'OUTBOUND' GROUP BY 1"
    )
    async with database.transaction(tenant_id) as connection:
        return {row[0]: row[1] for row in await connection.execute(counted)}


async def _is_shown(api_of, services, tenant_id: int, version_id: int, judged: dict) -> None:
    api = await api_of(tenant_id)
    services.forecasts.model_version_id = version_id
    asked = """query ($lead: Int!) { kpiForecast(horizonDays: 3, policy: CURRENT) {
        kept(leadDays: $lead) { kpi currency madeOn day p50 actual error }
        modelVersion { backtest { kpi } drift { flagged judgedAt rows { kpi days coverage drifted } } } } }"""
    try:
        answer = (await api.ask(asked, lead=3))["kpiForecast"]
        refused = await api.error(asked, lead=28)
    finally:
        services.forecasts.model_version_id = None
    assert refused["extensions"]["argument"] == ["leadDays"]
    sent = [row for row in answer["kept"] if row["kpi"] == "SENT" and row["actual"] is not None]
    (row,) = sent
    one = judged["SENT", None, BEFORE.date() + timedelta(days=3)]
    assert (row["p50"], row["actual"], row["error"]) == (one.p50, one.actual, one.actual - one.p50)
    drift = answer["modelVersion"]["drift"]
    assert drift["judgedAt"] == "2026-05-01T00:00:00Z"
    (volume,) = [row for row in drift["rows"] if row["kpi"] == "SENT"]
    assert volume["days"] == 15
    assert drift["flagged"] == any(row["drifted"] for row in drift["rows"])


async def test_facts_that_come_late_correct_what_came(
    database: Database, owner_url: str, sender: int, tmp_path: Path
) -> None:
    """As where a week is imported at a time: a day taken for empty is judged by what it turns out to have been."""
    await _keep(database, owner_url, sender, tmp_path, BEFORE)
    await _keep(database, owner_url, sender, tmp_path, AS_OF)
    day = BEFORE.date() + timedelta(days=3)

    async def came() -> set[float | None]:
        kept = await _kept(database, sender)
        return {one.actual for one in kept if (one.kpi, one.day) == ("SENT", day)}

    (before,) = await came()
    assert before is not None
    (debtor, *_) = (await stored(database, sender))["debtor"]
    late = [
        row("communications", reference=f"LATE{n}", debtor=debtor["reference"], sent_at=f"{day}T09:30:00Z")
        for n in range(7)
    ]
    report, _ = await merge_facts(database, sender, {"communications": late})
    assert report.rejected == 0
    await _keep(database, owner_url, sender, tmp_path, AS_OF + timedelta(days=1))
    assert await came() == {before + 7}


async def test_nothing_is_kept_before_the_mornings_imports(
    database: Database, owner_url: str, sender: int, tmp_path: Path
) -> None:
    keeper = ForecastKeeper(owner_url, tmp_path, lambda: AS_OF + timedelta(hours=17, minutes=59))
    assert await keeper.take_turn(database, sender) == 0
    assert await _kept(database, sender) == []


async def test_days_count_across_versions_until_one_was_flagged(
    database: Database, owner_url: str, sender: int, tmp_path: Path
) -> None:
    """As who trains every week: no version decides for long enough to be judged by its own forecasts alone."""
    await _keep(database, owner_url, sender, tmp_path, BEFORE)
    second = await _replace(database, sender, version=2)
    await _keep(database, owner_url, sender, tmp_path, AS_OF)
    async with database.transaction(sender) as connection:
        version = await champion(connection, sender)
        assert version is not None
        assert version.id == second
        assert version.drift is not None
        (volume,) = [row for row in version.drift["rows"] if row["kpi"] == "SENT"]
        assert volume["days"] == 15
        await record_drift(connection, sender, second, {**version.drift, "flagged": True})
    third = await _replace(database, sender, version=3)
    await _keep(database, owner_url, sender, tmp_path, AS_OF + timedelta(days=1))
    async with database.transaction(sender) as connection:
        assert await settled_forecasts(connection, sender, third) == []
        version = await champion(connection, sender)
        assert version is not None
        assert version.drift is None


async def _replace(database: Database, tenant_id: int, *, version: int) -> int:
    number = await store_model(database, tenant_id, version=version)
    async with database.transaction(tenant_id) as connection:
        await promote(connection, tenant_id, number, now=AS_OF)
    return number


async def test_without_a_champion_nothing_is_kept(
    database: Database, owner_url: str, tenant_id: int, tmp_path: Path
) -> None:
    keeper = ForecastKeeper(owner_url, tmp_path, lambda: AS_OF + EVENING)
    assert await keeper.take_turn(database, tenant_id) == 0
    await store_model(database, tenant_id, version=1, status="CHAMPION")
    # Nothing was ever sent: an outcome, not a failure.
    assert await keeper.take_turn(database, tenant_id) == 1
    assert await _kept(database, tenant_id) == []


async def test_a_worker_keeps_forecasts_by_itself(migrated_url: str, tmp_path: Path) -> None:
    """In a database of its own: every tenant there is due."""
    database = Database(migrated_url)
    tenant_id = await create_tenant(migrated_url, key="acme", name="Acme", currency="EUR")
    await new_sender(database, tenant_id, tmp_path)
    keeper = ForecastKeeper(migrated_url, tmp_path, lambda: AS_OF + EVENING)
    keeper.start()
    try:
        async with asyncio.timeout(240):
            count = 0
            while not count:
                await asyncio.sleep(0.2)
                async with database.transaction(tenant_id) as connection:
                    count = await connection.scalar(select(func.count()).select_from(kept_forecast)) or 0
    finally:
        await asyncio.to_thread(keeper.stop)
        await database.close()
    assert count >= HORIZON_DAYS


async def test_kept_forecasts_are_the_tenants_own(
    database: Database, owner_url: str, sender: int, new_tenant, tmp_path: Path
) -> None:
    await _keep(database, owner_url, sender, tmp_path, AS_OF)
    async with database.transaction(new_tenant()) as connection:
        assert await connection.scalar(select(func.count()).select_from(kept_forecast)) == 0
    with pytest.raises(Exception, match="row-level security"):
        async with database.transaction(new_tenant()) as connection:
            await connection.execute(
                text(
                    "INSERT INTO kept_forecast (tenant_id, made_on, kpi, currency, day, model_version_id, p05, p50, "
                    "p95) VALUES (:other, '2026-05-01', 'SENT', '', '2026-05-02', 1, 1, 2, 3)"
                ),
                {"other": sender},
            )
