"""How PostgreSQL should plan a derivation: statistics cannot tell it whether one debtor or all of them are touched.

Facts may have been written in the same transaction, before any ANALYZE. So the two cases are told apart here and the
wrong family of joins is switched off: index look-ups per debtor for a few, one pass with hash joins for many.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

FEW = 500
"""Up to so many debtors are looked up one by one."""

# With limits of 1 joins run as written: from touched_debtor outwards.
_FEW = {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "join_collapse_limit": "1",
    "from_collapse_limit": "1",
}
_MANY = {"enable_nestloop": "off", "work_mem": "256MB", "hash_mem_multiplier": "4"}


@asynccontextmanager
async def planned(connection: AsyncConnection, *, many: bool) -> AsyncIterator[None]:
    """Inside, statements are planned for many touched debtors or for few; the settings before come back."""
    wanted = _MANY if many else _FEW
    former = await connection.execute(
        text("SELECT " + ", ".join(f"current_setting('{name}') AS {name}" for name in wanted))
    )
    before = dict(former.mappings().one())
    await _set(connection, wanted)
    yield
    await _set(connection, before)


_MAY_ANALYZE = text(
    """
    SELECT CASE WHEN current_setting('server_version_num')::integer >= 170000
           THEN has_table_privilege('communication', 'MAINTAIN') ELSE false END
    """
)
_FACTS = "debtor, account, communication, event, payment, promise"


async def refresh_statistics(connection: AsyncConnection) -> None:
    """After many facts: tell the planner of them, for the statements to come; what another is analysing is left out.

    Needs the privilege MAINTAIN, which PostgreSQL has from 17 on; without it autovacuum does the same a little later.
    """
    if await connection.scalar(_MAY_ANALYZE):
        await connection.execute(text(f"ANALYZE (SKIP_LOCKED) {_FACTS}"))


async def _set(connection: AsyncConnection, settings: dict[str, str]) -> None:
    calls = ", ".join(f"set_config('{name}', :{name}, true)" for name in settings)
    await connection.execute(text(f"SELECT {calls}"), settings)
