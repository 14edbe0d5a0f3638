"""How payments are attributed when next to nothing is known of the events: those of an import have come just now."""

import re
from datetime import timedelta

import psycopg
from sqlalchemy import text

from domain.storage.derived import attribution
from domain.storage.derived.plans import Scale, planned, refresh_statistics
from domain.storage.rollups.changes import collect_days
from domain.storage.sessions import Database
from tests.domain.portfolios import random_portfolio, write
from tests.facts import NOW

WINDOW = timedelta(days=7)

_EVENTS = """
    INSERT INTO event (tenant_id, reference, debtor_id, kind, occurred_at, source, automated)
    SELECT :tenant_id, 'E' || n, n % 5000, 'OPENED', CAST(:now AS timestamptz), 'EMAIL', false
    FROM generate_series(1, :count) n
"""
_TOUCHED = (
    "CREATE TEMP TABLE touched_debtor (debtor_id bigint PRIMARY KEY) ON COMMIT DROP",
    "INSERT INTO touched_debtor SELECT generate_series(1, 3000)",
    "ANALYZE touched_debtor",
)


async def test_payments_of_others_that_are_known_make_no_difference(database, new_tenant, owner_url) -> None:
    """To the planner a tenant that has none of the known payments has a single one, by whichever index."""
    for seed in range(6):
        known = new_tenant()
        async with database.transaction(known) as connection:
            await write(connection, known, random_portfolio(seed, 60))
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("ANALYZE payment, event, communication, debtor")
    await check_plan(database, new_tenant())


async def test_a_debtors_engagements_are_looked_up_however_many_events_have_just_come(
    database, tenant_id
) -> None:
    await check_plan(database, tenant_id)


async def check_plan(database: Database, tenant_id: int) -> None:
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text(_EVENTS), {"tenant_id": tenant_id, "now": NOW, "count": 20_000})
        await collect_days(connection)
        for statement in _TOUCHED:
            await connection.execute(text(statement))
        binds = {"tenant_id": tenant_id, "click_window": WINDOW, "open_window": WINDOW, "now": NOW}
        async with planned(connection, None):
            explained = await connection.scalars(
                text(f"EXPLAIN {attribution._ATTRIBUTE_AND_CONVERT.text}"), binds
            )
        plan = "\n".join(explained)
        await connection.rollback()
    assert re.search(r"using event_engagement_idx .*\n\s*Index Cond: .*AND \(debtor_id = ", plan), plan
    by_debtor = r"using payment_debtor_id_idx .*\n\s*Index Cond: .*AND \(debtor_id = "
    read_once = (
        r"using touched_debtor_pkey on touched_debtor t .*\n\s*Index Cond: \(debtor_id = p\.debtor_id\)"
    )
    assert re.search(f"{by_debtor}|{read_once}", plan), plan


async def test_the_planner_is_told_of_a_tenant_that_came_after_the_last_analysis(
    database, new_tenant, owner_url
) -> None:
    """Among larger ones, so that no table has grown much by it; and among small ones, of which it is to the planner."""
    known, tenant_id = new_tenant(), new_tenant()
    await _write_events(database, known, 20_000)
    for count in (20, 60, 90):
        await _write_events(database, new_tenant(), count)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("ANALYZE event")
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text(_EVENTS), {"tenant_id": tenant_id, "now": NOW, "count": 3_000})
        binds = {"tenant_id": tenant_id}
        believed = text("EXPLAIN (FORMAT JSON) SELECT FROM event WHERE tenant_id = :tenant_id")
        before = (await connection.scalar(believed, binds))[0]["Plan"]["Plan Rows"]
        await refresh_statistics(connection, tenant_id, Scale(1_500))
        after = (await connection.scalar(believed, binds))[0]["Plan"]["Plan Rows"]
        await connection.rollback()
    assert 20 * before <= 3_000
    assert after > 1_000


async def _write_events(database: Database, tenant_id: int, count: int) -> None:
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text(_EVENTS), {"tenant_id": tenant_id, "now": NOW, "count": count})


def test_all_that_one_call_of_the_api_can_touch_is_few() -> None:
    """A thousand items at most, each of which may take an account from one debtor to another."""
    assert Scale(2_000).is_few
    assert not Scale(2_001).is_few
