"""Row-level security keeps tenants apart even where a statement forgets to."""

from datetime import date

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from domain.storage import tables
from domain.storage.sessions import Database


def _agent(tenant_id: int) -> dict[str, object]:
    return {"tenant_id": tenant_id, "reference": "A", "name": "Ann", "active_from": date(2026, 1, 1)}


async def test_a_statement_without_a_tenant_condition_sees_its_own_tenant_only(
    database: Database, new_tenant
) -> None:
    first, second = new_tenant(), new_tenant()
    for tenant_id in (first, second):
        async with database.transaction(tenant_id) as connection:
            await connection.execute(insert(tables.agent).values(_agent(tenant_id)))
    async with database.transaction(first) as connection:
        assert list(await connection.scalars(select(tables.agent.c.tenant_id))) == [first]


async def test_a_row_of_another_tenant_cannot_be_written(database: Database, new_tenant) -> None:
    first, second = new_tenant(), new_tenant()
    with pytest.raises(DBAPIError, match="row-level security"):
        async with database.transaction(first) as connection:
            await connection.execute(insert(tables.agent).values(_agent(second)))


async def test_without_a_tenant_nothing_is_visible(database: Database, tenant_id: int) -> None:
    async with database.transaction(tenant_id) as connection:
        await connection.execute(insert(tables.agent).values(_agent(tenant_id)))
        await connection.execute(text("SELECT set_config('dunwell.tenant_id', '', true)"))
        assert (await connection.execute(select(tables.agent))).all() == []
        assert (await connection.execute(select(tables.tenant))).all() == []


async def test_every_tenant_table_forces_row_level_security(database: Database, tenant_id: int) -> None:
    async with database.transaction(tenant_id) as connection:
        forced = await connection.scalars(
            text(
                "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity AND relkind = 'r'"
            )
        )
        assert set(forced) == set(tables.TENANT_TABLES)


async def test_the_tenant_does_not_outlive_its_transaction(database: Database, tenant_id: int) -> None:
    async with database.transaction(tenant_id) as connection:
        await connection.execute(insert(tables.agent).values(_agent(tenant_id)))
    async with database.engine.connect() as connection:
        assert await connection.scalar(text("SELECT current_setting('dunwell.tenant_id', true)")) in (
            None,
            "",
        )
