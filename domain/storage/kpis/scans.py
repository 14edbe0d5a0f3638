"""How PostgreSQL should plan a KPI statement: it reads much, joins by hash and sorts in memory.

Right after an import the planner has no statistics and takes a period for a handful of rows; a nested loop over what is
then a million of them would not end. KPI statements have no join that needs one.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_READ = text(
    "SELECT current_setting('enable_nestloop') AS nested_loops, current_setting('work_mem') AS memory"
)
_SET = text(
    "SELECT set_config('enable_nestloop', :nested_loops, true), set_config('work_mem', :memory, true)"
)


@asynccontextmanager
async def scanning(connection: AsyncConnection) -> AsyncIterator[None]:
    """Inside, statements are planned for scans; the settings before come back, in this transaction as in any other."""
    before = dict((await connection.execute(_READ)).mappings().one())
    await connection.execute(_SET, {"nested_loops": "off", "memory": "64MB"})
    yield
    await connection.execute(_SET, before)
