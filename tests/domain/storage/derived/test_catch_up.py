"""Time alone changes derived columns: catching up from instant to instant is the same as deriving anew."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from domain.storage.derived import catch_up, define_segments, derive, derive_everything
from domain.storage.sessions import Database
from tests.domain.portfolios import NOW, START, random_portfolio, write
from tests.domain.storage.derived.test_derivation import ALL, RULES

_STATE = """
    SELECT 'debtor' AS kind, reference, concat_ws('/', segment_key, oldest_due_on, last_contacted_at) AS state
    FROM debtor
    UNION ALL SELECT 'account', reference, balance::text FROM account
    UNION ALL SELECT 'owed', d.reference || currency, b.balance::text
              FROM debtor_balance b JOIN debtor d ON d.id = b.debtor_id
    UNION ALL SELECT 'promise', reference, concat_ws('/', deadline, kept_at, filled) FROM promise
    UNION ALL SELECT 'payment', p.reference, c.reference
              FROM payment p LEFT JOIN communication c ON c.id = p.attributed_to
    UNION ALL SELECT 'sent', reference, concat_ws('/', segment_key, days_past_due, product, kpi_currency, converted_at)
              FROM communication
    ORDER BY 1, 2
"""


async def _state(connection: Any) -> list[Any]:
    return list((await connection.execute(text(_STATE))).all())


@pytest.mark.parametrize("own_rules", [False, True])
async def test_catching_up_is_deriving_anew(database: Database, tenant_id: int, own_rules: bool) -> None:
    world = random_portfolio(31, 30)
    caught = 0
    async with database.transaction(tenant_id) as connection:
        await write(connection, tenant_id, world)
        await derive(connection, tenant_id, merged=ALL, now=START)
        if own_rules:
            await define_segments(connection, tenant_id, RULES, now=START)
    for hours in range(0, 24 * 60, 45):
        now = START + timedelta(hours=hours)
        async with database.transaction(tenant_id) as connection:
            caught += await catch_up(connection, tenant_id, now=now)
            state = await _state(connection)
            assert await catch_up(connection, tenant_id, now=now) == 0
        async with database.transaction(tenant_id) as connection:
            assert await derive_everything(connection, tenant_id, now=now) == len(world)
            assert await _state(connection) == state, now
    assert caught > len(world)


async def test_nobody_is_due_before_something_changes(database: Database, tenant_id: int) -> None:
    """The next instant is never missed: derived anew just before it, nothing has changed."""
    world = random_portfolio(32, 30)
    async with database.transaction(tenant_id) as connection:
        await write(connection, tenant_id, world)
        await derive(connection, tenant_id, merged=ALL, now=NOW)
        await define_segments(connection, tenant_id, RULES, now=NOW)
        for _ in range(15):
            before = await _state(connection)
            until = await connection.scalar(text("SELECT min(state_until) FROM debtor"))
            if until is None:
                break
            assert await catch_up(connection, tenant_id, now=until - timedelta(microseconds=1)) == 0
            await derive_everything(connection, tenant_id, now=until - timedelta(microseconds=1))
            assert await _state(connection) == before
            assert await catch_up(connection, tenant_id, now=until) > 0


async def test_a_day_border_is_the_debtors_own_midnight(database: Database, tenant_id: int) -> None:
    rule = {"key": "LATE", "name": "Late", "where": {"daysPastDue": {"gte": 1}}}
    async with database.transaction(tenant_id) as connection:
        await define_segments(connection, tenant_id, [rule], now=START)
        await connection.execute(
            text(
                "INSERT INTO debtor (tenant_id, reference, name, name_key, country, time_zone)"
                " SELECT :tenant_id, zone, 'A', 'a', 'CU', zone"
                " FROM unnest(ARRAY['America/Havana', 'Europe/Madrid']) zone"
            ),
            {"tenant_id": tenant_id},
        )
        await connection.execute(
            text(
                "INSERT INTO account (tenant_id, reference, debtor_id, product, currency, principal, opened_on, due_on)"
                " SELECT tenant_id, reference, id, 'CARD', 'EUR', 10, DATE '2026-01-01', DATE '2026-10-31' FROM debtor"
            )
        )
        # On 1 November 2026 midnight comes twice in Havana; the debtor is late from the first one on.
        now = datetime(2026, 10, 31, 12, tzinfo=UTC)
        await derive_everything(connection, tenant_id, now=now)
        rows = await connection.execute(text("SELECT reference, state_until FROM debtor"))
        assert dict(rows.all()) == {
            "America/Havana": datetime(2026, 11, 1, 4, tzinfo=UTC),
            "Europe/Madrid": datetime(2026, 10, 31, 23, tzinfo=UTC),
        }
        assert await catch_up(connection, tenant_id, now=datetime(2026, 11, 1, 4, tzinfo=UTC)) == 2
        assert set(await connection.scalars(text("SELECT segment_key FROM debtor"))) == {"LATE"}
