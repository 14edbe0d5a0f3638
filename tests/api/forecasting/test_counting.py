"""A history counted part by part, and the schedule of what is recommended, from a database."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from polars.testing import assert_frame_equal
from sqlalchemy import insert

from api.answers import ForecastDimension, ForecastKpi, ForecastPolicy, KpiForecast
from api.forecasting import counting
from api.forecasting.counting import Tallies, count
from api.forecasting.planning import schedule
from api.forecasting.service import ForecastService
from api.histories import export, load
from api.imports import import_folder
from api.recommendations.champions import Champions
from domain.storage.reads.contacted import contacted_sample
from domain.storage.sessions import Database
from domain.storage.tables import communication, contact_request
from ml.forecast import tally_of
from ml.simulator import simulate, write
from ml.weekly_plan import contacted_lately
from tests.api.learned import AS_OF, END, KEY, Learned

COUNTED = ("messages", "outcomes", "payments", "amounts", "people", "currencies", "owed", "promises", "terms")


@pytest_asyncio.fixture(loop_scope="session")
async def portfolio(learned_apart) -> AsyncIterator[Learned]:
    async with learned_apart(150) as learned:
        await learned.store()
        yield learned


@pytest_asyncio.fixture(loop_scope="session")
async def champions(portfolio: Learned) -> AsyncIterator[Champions]:
    champions = Champions(portfolio.database, KEY)
    yield champions
    champions.close()


@pytest_asyncio.fixture(loop_scope="session")
async def tenant_with_debtors(database: Database, new_tenant, tmp_path: Path) -> int:
    """150 of them, with what happened until `AS_OF`."""
    tenant_id = new_tenant()
    write(simulate(150, seed=5, end=END), tmp_path / "world")
    await import_folder(database, tenant_id, tmp_path / "world", rejects=tmp_path / "rejects.csv", now=AS_OF)
    return tenant_id


async def test_parts_come_to_what_the_whole_history_holds(
    database: Database, tenant_with_debtors: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = tenant_with_debtors
    async with database.transaction(tenant_id) as connection:
        await export(connection, tenant_id, as_of=AS_OF, folder=tmp_path / "whole")
    expected = tally_of(load(tmp_path / "whole"))
    order = ["day", "segment", "channel", "seconds"]
    for size in (40, 50, 10_000):
        monkeypatch.setattr(counting, "PART", size)
        found = await count(database, tenant_id, as_of=AS_OF, folder=tmp_path / "parts")
        for name in COUNTED:
            assert_frame_equal(getattr(found, name), getattr(expected, name))
        assert_frame_equal(found.waits.sort(order), expected.waits.sort(order))
        assert_frame_equal(
            found.finance.sort("month", "currency"), expected.finance.sort("month", "currency")
        )
        assert list((tmp_path / "parts").iterdir()) == []


async def test_a_tenant_without_debtors_has_nothing_to_count(
    database: Database, tenant_id: int, tmp_path: Path
) -> None:
    found = await count(database, tenant_id, as_of=AS_OF, folder=tmp_path)
    assert found.messages.is_empty()
    assert found.as_of == AS_OF


async def test_what_was_counted_a_moment_ago_serves_until_the_day_ends(
    database: Database, tenant_id: int, tmp_path: Path
) -> None:
    """A forecast begins with the day of its instant."""
    tallies = Tallies(database, tmp_path)
    evening = AS_OF - timedelta(seconds=20)
    first = await tallies.whole(tenant_id, as_of=evening)
    assert await tallies.whole(tenant_id, as_of=evening + timedelta(seconds=10)) is first
    assert (await tallies.whole(tenant_id, as_of=AS_OF)).as_of == AS_OF


async def test_the_sample_is_of_those_contacted_lately_and_the_tenants_own(
    database: Database, tenant_with_debtors: int, tmp_path: Path, new_tenant
) -> None:
    tenant_id = tenant_with_debtors
    async with database.transaction(tenant_id) as connection:
        await export(connection, tenant_id, as_of=AS_OF, folder=tmp_path / "whole")
    lately = contacted_lately(load(tmp_path / "whole"))
    since = lately["sent_at"].min()
    async with database.transaction(tenant_id) as connection:
        every = await contacted_sample(connection, tenant_id, since=since, until=AS_OF, most=10_000)
        some = await contacted_sample(connection, tenant_id, since=since, until=AS_OF, most=20)
    assert every == lately["debtor"].unique().sort().to_list()
    assert len(some) == 20
    assert set(some) < set(every)
    other = new_tenant()
    async with database.transaction(other) as connection:
        assert await contacted_sample(connection, other, since=since, until=AS_OF, most=20) == []


def _sent(forecast: KpiForecast) -> dict[str, float]:
    return {
        series.key.channel.value: series.total.p50
        for series in forecast.series
        if series.key.channel and series.total and series.total.p50 is not None
    }


async def test_what_is_recommended_is_planned_within_what_is_sent(
    portfolio: Learned, champions: Champions, tmp_path: Path
) -> None:
    service = ForecastService(portfolio.database, Tallies(portfolio.database, tmp_path), champions)
    asked = {"horizon_days": 7, "by": [ForecastDimension.CHANNEL], "kpis": [ForecastKpi.SENT], "as_of": AS_OF}
    now, then = [
        await service.forecast(portfolio.tenant_id, policy=policy, **asked)
        for policy in (ForecastPolicy.CURRENT, ForecastPolicy.RECOMMENDED)
    ]
    assert now is not None
    assert then is not None
    before, after = _sent(now), _sent(then)
    assert sum(after.values()) <= sum(before.values()) * (1 + 1e-9)
    assert after != before
    assert all(series.difference is not None for series in then.series)
    again = await service.forecast(portfolio.tenant_id, policy=ForecastPolicy.RECOMMENDED, **asked)
    assert again is then


async def test_facts_that_come_late_change_the_forecast_of_the_same_instant(
    portfolio: Learned, champions: Champions, tmp_path: Path
) -> None:
    tallies = Tallies(portfolio.database, tmp_path, fresh=timedelta(0))
    service = ForecastService(portfolio.database, tallies, champions)
    asked = {"horizon_days": 7, "by": [], "kpis": [ForecastKpi.SENT], "as_of": AS_OF}
    before = await service.forecast(portfolio.tenant_id, policy=ForecastPolicy.CURRENT, **asked)
    assert await service.forecast(portfolio.tenant_id, policy=ForecastPolicy.CURRENT, **asked) is before
    late = [
        {"tenant_id": portfolio.tenant_id, "reference": f"late-{n}", "debtor_id": portfolio.ids[0]}
        | {"channel": "EMAIL", "direction": "OUTBOUND", "sent_at": AS_OF - timedelta(days=1 + n % 7)}
        for n in range(700)
    ]
    async with portfolio.database.transaction(portfolio.tenant_id) as connection:
        await connection.execute(insert(communication), late)
    after = await service.forecast(portfolio.tenant_id, policy=ForecastPolicy.CURRENT, **asked)
    assert before is not None
    assert after is not None
    assert after.series[0].total.p50 > 2 * before.series[0].total.p50


async def test_where_the_rules_forbid_every_contact_nothing_is_planned(
    portfolio: Learned, champions: Champions
) -> None:
    tenant_id, database = portfolio.tenant_id, portfolio.database
    champion = await champions.deciding(tenant_id, as_of=AS_OF)
    assert champion is not None
    free = await schedule(database, champions, tenant_id, champion, as_of=AS_OF)
    assert any(move.share > 0 for moves in free.values() for move in moves)
    async with database.transaction(tenant_id) as connection:
        stop = {"kind": "STOP", "made_at": AS_OF - timedelta(days=1), "tenant_id": tenant_id}
        asked = [{"reference": f"stop-{key}", "debtor_id": key, **stop} for key in portfolio.ids]
        await connection.execute(insert(contact_request), asked)
    shut = await schedule(database, champions, tenant_id, champion, as_of=AS_OF)
    assert shut.keys() == free.keys()
    assert not any(shut.values())
