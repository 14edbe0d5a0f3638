"""Forecasts take turns: however many are asked for, recommendations and other tenants are answered between them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from api.answers import ForecastDimension, ForecastPolicy, KpiForecast
from api.forecasting.counting import Tallies
from api.forecasting.service import ForecastService
from api.recommendations.champions import Champions
from tests.api.learned import AS_OF, KEY, Learned, learn

_MANY = range(3, 9)


@pytest_asyncio.fixture(loop_scope="session")
async def portfolio(learned_apart) -> AsyncIterator[Learned]:
    async with learned_apart(60) as learned:
        await learned.store()
        yield learned


@pytest_asyncio.fixture(loop_scope="session")
async def service(portfolio: Learned, tmp_path: Path):
    database = portfolio.database
    champions = Champions(database, KEY)
    yield ForecastService(database, Tallies(database, tmp_path), champions), champions
    champions.close()


def _asked(service: ForecastService, tenant_id: int, days: int) -> asyncio.Task[KpiForecast | None]:
    by = [ForecastDimension.CHANNEL]
    return asyncio.create_task(
        service.forecast(
            tenant_id, horizon_days=days, policy=ForecastPolicy.RECOMMENDED, by=by, kpis=None, as_of=AS_OF
        )
    )


async def test_many_forecasts_leave_a_thread_to_recommendations(portfolio: Learned, service) -> None:
    forecasts, champions = service
    many = [_asked(forecasts, portfolio.tenant_id, days) for days in _MANY]
    await asyncio.wait(many, return_when=asyncio.FIRST_COMPLETED)
    await champions.run(lambda: None)
    assert sum(not each.done() for each in many) >= len(_MANY) - 2
    assert all(made is not None for made in await asyncio.gather(*many))


async def test_many_forecasts_of_a_tenant_let_another_in_between(
    portfolio: Learned, service, tmp_path: Path
) -> None:
    tenant_id = await portfolio.database.tenant_id("other")
    assert tenant_id is not None
    other = await learn(portfolio.database, tenant_id, tmp_path / "two", debtors=60)
    await other.store()
    forecasts, _ = service
    many = [_asked(forecasts, portfolio.tenant_id, days) for days in _MANY]
    await asyncio.wait(many, return_when=asyncio.FIRST_COMPLETED)
    assert await _asked(forecasts, other.tenant_id, 3) is not None
    assert sum(not each.done() for each in many) >= 2
    await asyncio.gather(*many)


async def test_what_is_asked_by_many_at_once_is_computed_once(portfolio: Learned, service) -> None:
    forecasts, _ = service
    first, *others = await asyncio.gather(*(_asked(forecasts, portfolio.tenant_id, 3) for _ in range(4)))
    assert first is not None
    assert all(other is first for other in others)
