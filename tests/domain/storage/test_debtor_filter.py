"""Conditions in SQL against the same conditions in plain Python, on lists and on states at an instant."""

import json
import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text

from domain.debtor_where import read_debtor_where
from domain.filters import IntFilter
from domain.storage.debtor_filter import days_range
from domain.storage.derived import collection_settings, derive
from domain.storage.derived.plans import Scale
from domain.storage.derived.segment_rules import segment_program
from domain.storage.derived.settlement import create_promise_spans
from domain.storage.derived.states import with_states
from domain.storage.derived.touched import touch_for_reading
from domain.storage.sessions import Database
from domain.storage.stored_debtor import balance_e4, debtor_condition
from domain.storage.tables import debtor
from tests.domain import oracle
from tests.domain.conditions import random_condition
from tests.domain.portfolios import NOW, random_portfolio, write
from tests.domain.storage.derived.test_derivation import ALL


async def test_lists_hold_who_meets_the_condition(database: Database, tenant_id: int) -> None:
    world, rng = random_portfolio(21, 40), random.Random(21)
    met = 0
    async with database.transaction(tenant_id) as connection:
        await write(connection, tenant_id, world)
        await derive(connection, tenant_id, merged=ALL, now=NOW)
        segments = dict((await connection.execute(select(debtor.c.reference, debtor.c.segment_key))).all())
        states = [oracle.state(each, NOW, NOW, segments[each.reference]) for each in world]
        for _ in range(300):
            where = random_condition(rng, segment=True)
            read = read_debtor_where(where)
            found = await connection.scalars(
                select(debtor.c.reference).where(
                    debtor.c.tenant_id == tenant_id, debtor_condition(read, now=NOW)
                )
            )
            expected = {state.debtor.reference for state in states if oracle.matches(read, state)}
            assert set(found) == expected, where
            met += 0 < len(expected) < len(world)
    assert met > 60


@pytest.mark.parametrize("days", [0, -25])
async def test_rules_hold_for_whom_they_would_have_held(
    database: Database, tenant_id: int, days: int
) -> None:
    world, rng = random_portfolio(22, 40), random.Random(22 + days)
    at, met = NOW + timedelta(days=days), 0
    async with database.transaction(tenant_id) as connection:
        await write(connection, tenant_id, [oracle.without_segment(each) for each in world])
        await derive(connection, tenant_id, merged=ALL, now=NOW)
        await touch_for_reading(connection, tenant_id, None)
        settings = await collection_settings(connection, tenant_id)
        await create_promise_spans(connection, tenant_id, settings=settings)
        states = [oracle.state(each, at, at) for each in world]
        for _ in range(120):
            where = random_condition(rng, segment=False)
            program = segment_program(json.dumps([{"key": "MET", "name": "Met", "where": where}]))
            statement, binds = with_states(
                "SELECT d.reference FROM state JOIN debtor d ON d.id = state.debtor_id WHERE state.segment_key = 'MET'",
                rules=program,
                scale=Scale(1),
            )
            found = await connection.scalars(text(statement), {"tenant_id": tenant_id, "as_of": at, **binds})
            read = read_debtor_where(where)
            expected = {state.debtor.reference for state in states if oracle.matches(read, state)}
            assert set(found) == expected, where
            met += 0 < len(expected) < len(world)
    assert met > 20


_MANY = """
    WITH debtors AS (
        INSERT INTO debtor (tenant_id, reference, name, name_key, country, time_zone, oldest_due_on)
        SELECT :tenant_id, 'D' || n, 'N' || n, 'n' || n, 'ES', 'Europe/Madrid', DATE '2026-03-30' - n / 20
        FROM generate_series(1, 20000) n RETURNING id
    )
    INSERT INTO debtor_balance (tenant_id, debtor_id, currency, balance, balance_e4)
    SELECT :tenant_id, id, 'EUR', row_number() OVER (), 10000 * row_number() OVER () FROM debtors
"""


@pytest.mark.parametrize(
    ("where", "index", "count"),
    [
        ({"name": {"startsWith": "N1999"}}, "debtor_name_key_idx", 11),
        ({"daysPastDue": {"gte": 995}}, "debtor_oldest_due_on_idx", 141),
        ({"balance": {"currency": "EUR", "gt": "19990"}}, "debtor_balance_currency_idx", 10),
        ({"reference": {"eq": "D77"}}, "debtor_reference_key", 1),
    ],
)
async def test_indexes_serve_conditions_under_row_level_security(
    database: Database, tenant_id: int, where: dict[str, Any], index: str, count: int
) -> None:
    condition = debtor_condition(read_debtor_where(where), now=NOW)
    statement = select(debtor.c.id).where(debtor.c.tenant_id == tenant_id, condition)
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text(_MANY), {"tenant_id": tenant_id})
        await connection.execute(text("ANALYZE debtor, debtor_balance"))
        assert len(list(await connection.scalars(statement))) == count
        literal = statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        plan = "\n".join(await connection.scalars(text(f"EXPLAIN {literal}".replace(":", "\\:"))))
    assert index in plan, plan
    assert "Seq Scan" not in plan, plan


def test_bounds_on_days_past_due() -> None:
    assert days_range(IntFilter(gt=0, lt=31)) == (1, 30)
    assert days_range(IntFilter(eq=7)) == (7, 7)
    assert days_range(IntFilter(lte=-1))[1] == -1
    least, most = days_range(IntFilter(eq=5, gte=9))
    assert least > most


def test_ten_thousandths_round_down_and_stay_within_64_bits() -> None:
    assert balance_e4(Decimal("1.00009")) == 10_000
    assert balance_e4(Decimal("-0.00001")) == -1
    assert balance_e4(Decimal(10) ** 40) == 2**63 - 1
