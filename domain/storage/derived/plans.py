"""How PostgreSQL should plan a derivation: statistics cannot tell it whether one debtor or all of them are touched.

Facts may have been written in the same transaction, before any ANALYZE. So the two cases are told apart here and the
wrong family of joins is switched off: index look-ups per debtor for a few, one pass with hash joins for many.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_FEW = 2_000
_A_HANDFUL = 50


@dataclass(frozen=True)
class Scale:
    """How many debtors a statement is about."""

    debtors: int

    @property
    def is_few(self) -> bool:
        """Look-ups one by one cost less than a pass over everything; what one call of the API can touch is few."""
        return self.debtors <= _FEW

    @property
    def is_a_handful(self) -> bool:
        """What several statements need is worked out in each, rather than kept in a temporary table."""
        return self.debtors <= _A_HANDFUL


# With limits of 1 joins run as written: from touched_debtor outwards.
_LOOK_UPS = {
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "join_collapse_limit": "1",
    "from_collapse_limit": "1",
}
_ONE_PASS = {"enable_nestloop": "off", "work_mem": "256MB", "hash_mem_multiplier": "4"}


@asynccontextmanager
async def planned(connection: AsyncConnection, scale: Scale | None) -> AsyncIterator[None]:
    """Inside, statements are planned for so many touched debtors, None for look-ups whatever their number.

    The settings before come back.
    """
    wanted = _LOOK_UPS if scale is None or scale.is_few else _ONE_PASS
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
# Those that have grown by half since they were analysed; of a tenth autovacuum will find out later. An ANALYZE costs
# the same whatever has changed, so a portfolio that takes events in many parts is not analysed again for each of them.
_STALE = text(
    """
    SELECT relname FROM pg_class
    WHERE oid = ANY(ARRAY['debtor', 'account', 'communication', 'event', 'payment', 'promise']::regclass[])
      AND pg_relation_size(oid) > 8192 * (1.5 * relpages + 4)
    ORDER BY relname
    """
)


async def refresh_statistics(connection: AsyncConnection, scale: Scale) -> None:
    """Tell the planner of facts written just now, for the statements to come; what another is analysing is left out.

    Needs the privilege MAINTAIN, which PostgreSQL has from 17 on; without it autovacuum does the same a little later.
    """
    if scale.is_a_handful or not await connection.scalar(_MAY_ANALYZE):
        return
    stale = list(await connection.scalars(_STALE))
    if stale:
        await connection.execute(text(f"ANALYZE (SKIP_LOCKED) {', '.join(stale)}"))


async def _set(connection: AsyncConnection, settings: dict[str, str]) -> None:
    calls = ", ".join(f"set_config('{name}', :{name}, true)" for name in settings)
    await connection.execute(text(f"SELECT {calls}"), settings)
