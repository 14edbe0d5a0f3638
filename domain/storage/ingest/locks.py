"""Whose turn it is: every writer locks the debtors it may touch, all at once and in the order of their ids.

All a merge writes belongs to one of these debtors, so two merges that share one take turns, two that share none run
side by side, and no two wait for each other in a circle.
"""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.ingest.scope import OF_TENANT
from domain.storage.ingest.temporary import SOME_ROWS, tell_planner

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

_LOCK_CLASS = 0x7123  # the advisory locks of those who take turns, by tenant

# An account's communications say its product and currency, those of a debtor whom it has left too. No index leads to
# them, so they are looked for only where a product or a currency changes.
_REGROUPED = """
    FROM account t JOIN staged_accounts s ON s.reference = t.reference AND s.fate = 0
        AND (s.product, s.currency) IS DISTINCT FROM (t.product, t.currency)"""
_FORMER_DEBTORS = f"""
    JOIN communication c ON c.{OF_TENANT} AND c.account_id = t.id AND c.debtor_id <> t.debtor_id
    WHERE t.{OF_TENANT}"""
_ANY_REGROUPED = f"SELECT EXISTS (SELECT {_REGROUPED} WHERE t.{OF_TENANT})"


async def lock_debtors(
    connection: AsyncConnection, tenant_id: int, staged: frozenset[str], others: Collection[int]
) -> None:
    """Lock every stored debtor that the staged rows may touch. others: ids of more, found out before.

    They are in `locked_debtor` then, with their references. The lock is FOR NO KEY UPDATE: it does not hinder foreign
    keys to the debtor.
    """
    tenant = {"tenant_id": tenant_id}
    regrouped = "accounts" in staged and bool(await connection.scalar(text(_ANY_REGROUPED), tenant))
    locked = await connection.execute(
        text(
            f"WITH locked AS (SELECT id, reference FROM debtor WHERE {OF_TENANT} "
            f"AND {_may_be_touched(staged, regrouped=regrouped, others=bool(others))} "
            "ORDER BY id FOR NO KEY UPDATE) INSERT INTO locked_debtor SELECT id, reference FROM locked"
        ),
        {**tenant, "others": list(others)} if others else tenant,
    )
    if locked.rowcount >= SOME_ROWS:
        await tell_planner(connection, "locked_debtor")


async def wait_for_turn(connection: AsyncConnection, tenant_id: int) -> None:
    """Have the turn, until the transaction ends, among the merges of a tenant that others have kept from finishing.

    To be called by who holds no other lock.
    """
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(:class, :tenant_id)"),
        {"class": _LOCK_CLASS, "tenant_id": tenant_id},
    )


async def changes_unlocked(connection: AsyncConnection, name: str, *, owner: str) -> bool:
    """Whether a stored row that `resolved_<name>` changes has an owner who is not locked: that debtor, or the row, was
    inserted meanwhile. To be asked before it is written, since two who wrote such rows would wait for each other.

    owner: the column of `resolved_<name>` with the id of the debtor whose row it has been.
    """
    return bool(
        await connection.scalar(
            text(
                f"SELECT EXISTS (SELECT {owner} FROM resolved_{name} WHERE stored AND changed AND problem IS NULL "
                "EXCEPT SELECT id FROM locked_debtor)"
            )
        )
    )


async def touched_unlocked(connection: AsyncConnection) -> Collection[int]:
    """The debtors who were touched and are neither locked nor new: another writer moved something meanwhile, or a
    payment tells of a message to a debtor whom its account has left."""
    return list(
        await connection.scalars(
            text("SELECT debtor_id FROM touched_debtor EXCEPT SELECT id FROM locked_debtor")
        )
    )


def _may_be_touched(staged: frozenset[str], *, regrouped: bool, others: bool) -> str:
    names = [f"SELECT reference FROM staged_{name} WHERE fate = 0" for name in staged & {"debtors"}]
    names += [f"SELECT debtor FROM staged_{name} WHERE fate = 0" for name in _NAME_A_DEBTOR if name in staged]
    owners = [_owners(name, table, "reference") for name, table in _OWNED.items() if name in staged]
    owners += [_owners(name, "account", "account") for name in _NAME_AN_ACCOUNT if name in staged]
    owners += [f"SELECT c.debtor_id {_REGROUPED} {_FORMER_DEBTORS}"] * regrouped
    owners += ["SELECT unnest(CAST(:others AS bigint[]))"] * others
    if not owners:
        return f"reference IN ({' UNION ALL '.join(names)})" if names else "false"
    if names:
        named = " UNION ALL ".join(names)
        owners.append(f"SELECT id FROM debtor WHERE {OF_TENANT} AND reference IN ({named})")
    return f"id IN ({' UNION '.join(owners)})"


def _owners(name: str, table: str, column: str) -> str:
    return (
        f"SELECT t.debtor_id FROM {table} t JOIN staged_{name} s ON s.{column} = t.reference "
        f"WHERE t.{OF_TENANT} AND s.fate = 0"
    )
