"""How PostgreSQL should plan a derivation: statistics cannot tell it whether one debtor or all of them are touched.

Facts may have been written in the same transaction, before any ANALYZE. So the two cases are told apart here and the
wrong family of joins is switched off: index look-ups per debtor for a few, one pass with hash joins for many.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_FEW_DEBTORS = 2_000
_A_HANDFUL = 50


@dataclass(frozen=True)
class Scale:
    """How many debtors a statement is about."""

    debtors: int

    @property
    def is_few(self) -> bool:
        """Look-ups one by one cost less than a pass over everything; what one call of the API can touch is few."""
        return self.debtors <= _FEW_DEBTORS

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
_TABLES = ("account", "communication", "debtor", "event", "payment", "promise")
# Those that have grown by half since they were analysed; of a tenth autovacuum will find out later. An ANALYZE costs
# the same whatever has changed, so a portfolio that takes events in many parts is not analysed again for each of them.
_GROWN = text(
    """
    SELECT relname FROM pg_class
    WHERE oid = ANY(CAST(:tables AS regclass[])) AND pg_relation_size(oid) > 8192 * (1.5 * relpages + 4)
    """
)
# A tenant that came after the last ANALYZE has as many rows to the planner as the smallest ones, however many it has:
# the list of all tenants that statistics hold does not name it. Then one index is as good as another, and what is to be
# looked up by its id is searched for in everything the tenant has. A thousandth of a table is found by a sample for
# certain.
_BELIEVED = "EXPLAIN (FORMAT JSON) SELECT FROM {table} WHERE tenant_id = :tenant_id"
_HAS_MANY = """
    SELECT count(*) >= max(least) FROM (
        SELECT GREATEST(1000, reltuples / 1000, CAST(:times_more AS float8)) AS least
        FROM pg_class WHERE oid = CAST('{table}' AS regclass)
    ) known
    CROSS JOIN LATERAL (
        SELECT FROM {table} WHERE tenant_id = :tenant_id LIMIT CAST(least AS bigint) + 1
    ) row
"""
_FEW_ROWS, _TIMES_MORE = 1_000, 20


async def refresh_statistics(connection: AsyncConnection, tenant_id: int, scale: Scale) -> None:
    """Tell the planner of facts written just now, for the statements to come; what another is analysing is left out.

    Needs the privilege MAINTAIN, which PostgreSQL has from 17 on; without it autovacuum does the same a little later.
    """
    if scale.is_a_handful or not await connection.scalar(_MAY_ANALYZE):
        return
    stale = set(await connection.scalars(_GROWN, {"tables": list(_TABLES)}))
    for table in _TABLES:
        if table not in stale and await _is_overlooked(connection, tenant_id, table):
            stale.add(table)
    if stale:
        await connection.execute(text(f"ANALYZE (SKIP_LOCKED) {', '.join(sorted(stale))}"))


async def _is_overlooked(connection: AsyncConnection, tenant_id: int, table: str) -> bool:
    """Whether the planner believes that a tenant has few rows where it has many times more."""
    tenant = {"tenant_id": tenant_id}
    explained = await connection.scalar(text(_BELIEVED.format(table=table)), tenant)
    believed = int(explained[0]["Plan"]["Plan Rows"])
    if believed > _FEW_ROWS:
        return False
    many = {**tenant, "times_more": _TIMES_MORE * believed}
    return bool(await connection.scalar(text(_HAS_MANY.format(table=table)), many))


async def _set(connection: AsyncConnection, settings: dict[str, str]) -> None:
    calls = ", ".join(f"set_config('{name}', :{name}, true)" for name in settings)
    await connection.execute(text(f"SELECT {calls}"), settings)
