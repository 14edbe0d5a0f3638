"""Whose turn it is: every writer locks the debtors it may touch, all at once and in the order of their ids.

All a merge writes belongs to one of these debtors, so two merges that share one take turns, two that share none run
side by side, and no two wait for each other in a circle.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.ingest.scope import OF_TENANT

#: Import tables with a column `debtor`, and those whose stored row belongs to a debtor that the staged one may leave.
_NAME_A_DEBTOR = ("accounts", "contact_points", "contact_requests", "communications", "events")
_OWNED = {
    "accounts": "account",
    "contact_requests": "contact_request",
    "communications": "communication",
    "payments": "payment",
    "promises": "promise",
}
_NAME_AN_ACCOUNT = ("payments", "promises")


async def lock_debtors(connection: AsyncConnection, tenant_id: int, staged: frozenset[str]) -> None:
    """Lock every stored debtor that the staged rows may touch.

    They are in `locked_debtor` then. The lock is FOR NO KEY UPDATE: it does not hinder references to the debtor.
    """
    await connection.execute(
        text(
            f"WITH locked AS (SELECT id FROM debtor WHERE {OF_TENANT} AND id IN ({_may_touch(staged)}) "
            "ORDER BY id FOR NO KEY UPDATE) INSERT INTO locked_debtor SELECT id FROM locked"
        ),
        {"tenant_id": tenant_id},
    )


async def touched_unlocked(connection: AsyncConnection) -> bool:
    """Whether a debtor was touched that is neither locked nor new: another writer moved something meanwhile."""
    return bool(
        await connection.scalar(
            text("SELECT EXISTS (SELECT debtor_id FROM touched_debtor EXCEPT SELECT id FROM locked_debtor)")
        )
    )


def _may_touch(staged: frozenset[str]) -> str:
    parts = ["SELECT CAST(NULL AS bigint) AS id WHERE false"]
    if "debtors" in staged:
        parts.append(_debtors_named("debtors", "reference"))
    parts += [_debtors_named(name, "debtor") for name in _NAME_A_DEBTOR if name in staged]
    parts += [_owners(name, table, "reference") for name, table in _OWNED.items() if name in staged]
    parts += [_owners(name, "account", "account") for name in _NAME_AN_ACCOUNT if name in staged]
    return " UNION ".join(parts)


def _debtors_named(name: str, column: str) -> str:
    return (
        f"SELECT d.id FROM debtor d JOIN (SELECT DISTINCT {column} AS reference FROM staged_{name} WHERE fate = 0) s "
        f"ON s.reference = d.reference WHERE d.{OF_TENANT}"
    )


def _owners(name: str, table: str, column: str) -> str:
    return (
        f"SELECT t.debtor_id FROM {table} t JOIN staged_{name} s ON s.{column} = t.reference "
        f"WHERE t.{OF_TENANT} AND s.fate = 0"
    )
