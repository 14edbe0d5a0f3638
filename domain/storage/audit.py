"""The audit log, written in the transaction of what it tells of; the app's role may add to it and read it, no more."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Table, Text, any_, bindparam, insert, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit import AuditOutcome, Signature
from domain.storage import tables
from domain.storage.tables import audit_entry

#: Import table → where its facts are, the column of the rows an entry names, and their type. An event is no node: it
#: names its debtor.
_NAMED: dict[str, tuple[Table, str, str]] = {
    "debtors": (tables.debtor, "id", "Debtor"),
    "accounts": (tables.account, "id", "Account"),
    "communications": (tables.communication, "id", "Communication"),
    "events": (tables.event, "debtor_id", "Debtor"),
    "payments": (tables.payment, "id", "Payment"),
    "promises": (tables.promise, "id", "Promise"),
}


async def record(
    connection: AsyncConnection,
    tenant_id: int,
    by: Signature,
    action: str,
    *,
    nodes: Iterable[tuple[str, int]] = (),
    counts: Mapping[str, int] | None = None,
    outcome: AuditOutcome = AuditOutcome.DONE,
    code: str | None = None,
) -> None:
    """Add an entry. Nothing personal may stand in it.

    action: the mutation's name, whoever does it by whatever way; what only a command does is named likewise. nodes:
    (type, number) of what was made or changed; counts: rows by what became of them; code: why it was refused or failed.
    """
    await connection.execute(
        insert(audit_entry).values(
            tenant_id=tenant_id,
            at=by.at,
            role=by.role,
            key_id=by.key_id,
            subject=by.subject,
            action=action,
            nodes=[f"{kind}:{number}" for kind, number in nodes],
            counts=dict(counts or {}),
            outcome=outcome,
            code=code,
        )
    )


async def named_by(
    connection: AsyncConnection, tenant_id: int, table: str, references: Sequence[str]
) -> list[tuple[str, int]]:
    """(type, number) of the facts of an import table with these references: a creditor's own ids may be personal."""
    facts, column, kind = _NAMED[table]
    among = bindparam(None, list(references), type_=ARRAY(Text(collation="C")))
    wanted = (
        select(facts.c[column])
        .where(facts.c.tenant_id == tenant_id, facts.c.reference == any_(among))
        .distinct()
        .order_by(facts.c[column])
    )
    return [(kind, number) for number in await connection.scalars(wanted)]
