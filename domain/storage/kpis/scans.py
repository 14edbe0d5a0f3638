"""How PostgreSQL should plan a KPI statement: it reads much, joins by hash and sorts in memory.

Right after an import the planner has no statistics and takes a period for a handful of rows; a nested loop over what is
then a million of them would not end. KPI statements have no join that needs one. A plan made once for any period (a
generic one) would take every period for a short one too, so each is planned for its own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_WANTED = {"enable_nestloop": "off", "work_mem": "64MB", "plan_cache_mode": "force_custom_plan"}
_READ = text("SELECT " + ", ".join(f"current_setting('{name}') AS {name}" for name in _WANTED))
_SET = text("SELECT " + ", ".join(f"set_config('{name}', :{name}, true)" for name in _WANTED))


@asynccontextmanager
async def scanning(connection: AsyncConnection) -> AsyncIterator[None]:
    """Inside, statements are planned for scans; the settings before come back, in this transaction as in any other."""
    before = dict((await connection.execute(_READ)).mappings().one())
    await connection.execute(_SET, _WANTED)
    yield
    await connection.execute(_SET, before)
