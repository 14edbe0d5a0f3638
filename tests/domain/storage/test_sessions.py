"""What transactions see of what others commit meanwhile."""

from collections.abc import Iterator
from datetime import date

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import func, insert, select

from domain.storage.sessions import Database
from domain.storage.tables import agent


@pytest.fixture
def repeatable(owner_url: str) -> Iterator[str]:
    """A PostgreSQL whose transactions see one instant by themselves."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        level = "SET default_transaction_isolation = 'repeatable read'"
        connection.execute(sql.SQL("ALTER DATABASE {} " + level).format(name))
        yield owner_url
        connection.execute(sql.SQL("ALTER DATABASE {} RESET default_transaction_isolation").format(name))


async def test_whoever_has_waited_for_a_lock_sees_what_was_done_under_it(
    repeatable: str, tenant_id: int
) -> None:
    """Else of two who decide at once the second would not see what the first has decided."""
    database, agents = Database(repeatable), select(func.count()).select_from(agent)
    own = {"tenant_id": tenant_id, "reference": "A", "name": "Ann", "active_from": date(2026, 1, 1)}
    async with database.transaction(tenant_id) as before, database.snapshot(tenant_id) as still:
        assert (await before.scalar(agents), await still.scalar(agents)) == (0, 0)
        async with database.transaction(tenant_id) as other:
            await other.execute(insert(agent).values(own))
        assert (await before.scalar(agents), await still.scalar(agents)) == (1, 0)
    async with database.transaction(tenant_id) as after:
        assert await after.scalar(select(func.current_setting("transaction_isolation"))) == "read committed"
    await database.close()
