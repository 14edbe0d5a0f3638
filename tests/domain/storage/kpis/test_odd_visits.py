"""Small portfolios, each about one oddity of visits to the payment page: the test's name tells what happens."""

from collections.abc import Callable

import pytest

from domain.storage.kpis.traffic import traffic_kpis
from domain.storage.sessions import Database
from tests.domain.storage.kpis.imported import NOW
from tests.domain.storage.kpis.odd import MAIL, MARCH, PAYMENT, at, event


async def test_a_visit_converts_until_a_day_after_the_last_landing_even_past_the_period(
    database: Database, ask: Callable
) -> None:
    visits = [
        event("E1", "LANDED", "2026-03-31T10:00:00Z", ""),
        event("E2", "LANDED", "2026-03-31T20:00:00Z", "", source="SMS"),
    ]
    asked = await ask(events=visits, payments=[{**PAYMENT, "paid_at": "2026-04-01T12:00:00Z"}])
    tenant_id = asked.imported.tenant_id
    async with database.transaction(tenant_id) as connection:
        rows = await traffic_kpis(connection, tenant_id, period=MARCH, as_of=NOW)
        before = await traffic_kpis(connection, tenant_id, period=MARCH, as_of=at("2026-04-01T11:00Z"))
    found = {row.source: (row.landing_views, row.visitors, row.share, row.conversions) for row in rows}
    assert found == {"DIRECT": (1, 1, 0.5, 0), "SMS": (1, 1, 0.5, 1), None: (2, 1, 1.0, 1)}
    assert [row.conversions for row in before] == [0, 0, 0]


@pytest.mark.parametrize(
    ("paid_at", "conversions"),
    [
        ("2026-03-10T09:59:59.999999Z", 0),
        ("2026-03-10T10:00:00Z", 1),
        ("2026-03-11T10:00:00Z", 1),
        ("2026-03-11T10:00:00.000001Z", 0),
    ],
)
async def test_the_day_in_which_a_visit_converts_has_both_of_its_ends(
    database: Database, ask: Callable, paid_at: str, conversions: int
) -> None:
    visit = event("E1", "LANDED", "2026-03-10T10:00:00Z", "")
    asked = await ask(events=[visit], payments=[{**PAYMENT, "paid_at": paid_at}])
    async with database.transaction(asked.imported.tenant_id) as connection:
        rows = await traffic_kpis(connection, asked.imported.tenant_id, period=MARCH, as_of=NOW)
    assert [row.conversions for row in rows] == [conversions, conversions]


async def test_a_machine_visits_nothing_but_what_is_paid_is_paid(database: Database, ask: Callable) -> None:
    visits = [
        event("E1", "LANDED", "2026-03-10T10:00:00Z", "", automated="true"),
        event("E2", "PAYMENT_STARTED", "2026-03-10T10:01:00Z", "", automated="true"),
    ]
    asked = await ask(events=visits)
    async with database.transaction(asked.imported.tenant_id) as connection:
        *_, total = await traffic_kpis(connection, asked.imported.tenant_id, period=MARCH, as_of=NOW)
    assert (total.landing_views, total.visitors, total.payments_started) == (0, 0, 1)


async def test_no_traffic_is_a_total_of_nothing(database: Database, ask: Callable) -> None:
    asked = await ask(communications=[MAIL])
    async with database.transaction(asked.imported.tenant_id) as connection:
        (row,) = await traffic_kpis(connection, asked.imported.tenant_id, period=MARCH, as_of=NOW)
    assert (row.source, row.landing_views, row.share, row.drop_out_rate) == (None, 0, None, None)
    assert row.landing_conversion_rate is None
