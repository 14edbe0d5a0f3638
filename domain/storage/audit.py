"""The audit log, written in the transaction of what it tells of; the app's role may add to it and read it, no more."""

from collections.abc import Iterable, Mapping

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit import AuditOutcome, Signature
from domain.storage.tables import audit_entry


async def record(
    connection: AsyncConnection,
    tenant_id: int,
    by: Signature,
    action: str,
    *,
    nodes: Iterable[tuple[str, int]] = (),
    references: Iterable[str] = (),
    counts: Mapping[str, int] | None = None,
    outcome: AuditOutcome = AuditOutcome.DONE,
    code: str | None = None,
) -> None:
    """Add an entry. Nothing personal may stand in it.

    action: the mutation's name, whoever does it by whatever way; what only a command does is named likewise. nodes:
    (type, number) of what was made or changed; references: the creditor's own ids of the same; counts: rows by what
    became of them. code: why it was refused or failed.
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
            references=list(references),
            counts=dict(counts or {}),
            outcome=outcome,
            code=code,
        )
    )
