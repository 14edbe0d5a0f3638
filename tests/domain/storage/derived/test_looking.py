"""A look whether derived columns are as of now reads one entry of an index, however many debtors there are."""

from datetime import timedelta

from sqlalchemy import text

from domain.storage.derived import IS_CAUGHT_UP, is_caught_up
from domain.storage.direct import numbered
from domain.storage.sessions import Database
from tests.domain.portfolios import NOW

_MANY = """
    INSERT INTO debtor (tenant_id, reference, name, name_key, country, time_zone, state_until)
    SELECT :tenant_id, 'D' || n, 'N' || n, 'n' || n, 'ES', 'Europe/Madrid',
           CAST(:due AS timestamptz) + n * INTERVAL '1 hour'
    FROM generate_series(0, 19999) n
"""


async def test_a_look_planned_for_any_instant_reads_no_debtors(database: Database, tenant_id: int) -> None:
    look = numbered(f"SELECT CASE WHEN {IS_CAUGHT_UP} THEN 'yes' END", "tenant_id", "now")
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text(_MANY), {"tenant_id": tenant_id, "due": NOW})
        await connection.execute(text("ANALYZE debtor"))
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await driver.execute(f"PREPARE look (integer, timestamptz) AS {look}")
        lines = await driver.fetch(f"EXPLAIN EXECUTE look ({tenant_id}, '{NOW.isoformat()}')")
        await driver.execute("DEALLOCATE look")
    plan = "\n".join(line[0] for line in lines)
    assert "debtor_state_until_idx" in plan, plan
    assert "Seq Scan on debtor" not in plan, plan


async def test_a_debtor_becomes_due_at_the_instant_it_is_due(database: Database, tenant_id: int) -> None:
    assert await is_caught_up(database, tenant_id, now=NOW)
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text(_MANY), {"tenant_id": tenant_id, "due": NOW})
    assert await is_caught_up(database, tenant_id, now=NOW - timedelta(microseconds=1))
    assert not await is_caught_up(database, tenant_id, now=NOW)
