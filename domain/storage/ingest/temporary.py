"""What the planner is told of temporary tables, which nobody else analyses."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

#: From this many rows on the planner is told about them.
SOME_ROWS = 1_000


async def tell_planner(connection: AsyncConnection, table: str) -> None:
    """Analyse a temporary table; a tenth of the usual sample tells what matters, in a tenth of the time."""
    await connection.execute(text("SET LOCAL default_statistics_target = 10"))
    await connection.execute(text(f"ANALYZE {table}"))
    await connection.execute(text("SET LOCAL default_statistics_target TO DEFAULT"))
