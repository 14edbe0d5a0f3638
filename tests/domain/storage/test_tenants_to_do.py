"""Background work finds the tenants that wait in one statement, and each tenant's rows stay its own."""

from sqlalchemy import text

from domain.storage.rollups.changes import collect_days, publish_days
from domain.storage.sessions import TENANT_SETTING, Database
from tests.domain.storage.rollups.rollups import refresh
from tests.facts import merge_facts, row


async def test_only_tenants_with_dirty_days_are_told(database: Database, new_tenant) -> None:
    changed, idle = new_tenant(), new_tenant()
    await merge_facts(database, changed, {name: [row(name)] for name in ("debtors", "communications")})
    assert changed in await database.tenants_to_do("dirty_day")
    assert idle not in await database.tenants_to_do("dirty_day")
    await refresh(database, changed)
    assert changed not in await database.tenants_to_do("dirty_day")


async def test_the_look_leaves_the_tenant_of_its_transaction(database: Database, new_tenant) -> None:
    mine, other = new_tenant(), new_tenant()
    async with database.transaction(other) as connection:
        await collect_days(connection)
        await connection.execute(text("INSERT INTO touched_day VALUES ('2026-02-01', true)"))
        await publish_days(connection, other)
    async with database.transaction(mine) as connection:
        told = list(await connection.scalars(text("SELECT tenants_to_do('dirty_day')")))
        assert other in told
        assert await connection.scalar(text(f"SELECT current_setting('{TENANT_SETTING}')")) == str(mine)
        assert await connection.scalar(text("SELECT count(*) FROM dirty_day")) == 0
