"""How PostgreSQL should plan a derivation: statistics cannot tell it whether one debtor or all of them are touched.

Facts may have been written in the same transaction, before any ANALYZE (which only a table's owner may run). So the
two cases are told apart here and the wrong family of joins is switched off: index look-ups per debtor for a few, one
pass with hash joins for many.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

FEW = 500
"""Up to so many debtors are looked up one by one."""

_FEW = {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_seqscan": "off"}
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


async def _set(connection: AsyncConnection, settings: dict[str, str]) -> None:
    calls = ", ".join(f"set_config('{name}', :{name}, true)" for name in settings)
    await connection.execute(text(f"SELECT {calls}"), settings)
