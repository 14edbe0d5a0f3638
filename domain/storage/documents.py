"""Trusted documents: GraphQL documents that a tenant's clients may name by the SHA-256 of their text."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit import Signature
from domain.storage.audit import record
from domain.storage.tables import trusted_document

_D = trusted_document.c


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document and when it was first trusted."""

    sha256: bytes
    text: str
    added_at: datetime


def sha256_of(text: str) -> bytes:
    """The hash a document goes by: of its text in UTF-8."""
    return hashlib.sha256(text.encode()).digest()


async def add_documents(
    connection: AsyncConnection, tenant_id: int, texts: Sequence[str], *, by: Signature
) -> int:
    """Trust documents; answers how many are new."""
    rows = [
        {"tenant_id": tenant_id, "sha256": sha256_of(text), "text": text, "added_at": by.at}
        for text in dict.fromkeys(texts)
    ]
    added = insert(trusted_document).values(rows).on_conflict_do_nothing().returning(_D.sha256)
    count = len((await connection.execute(added)).all()) if rows else 0
    await record(connection, tenant_id, by, "addDocuments", counts={"documents": count})
    return count


async def remove_document(
    connection: AsyncConnection, tenant_id: int, sha256: bytes, *, by: Signature
) -> bool:
    """Trust a document no longer; False when it was not trusted."""
    gone = delete(trusted_document).where(_D.tenant_id == tenant_id, _D.sha256 == sha256)
    removed = (await connection.execute(gone)).rowcount == 1
    if removed:
        await record(connection, tenant_id, by, "removeDocument", counts={"documents": 1})
    return removed


async def find_document(connection: AsyncConnection, tenant_id: int, sha256: bytes) -> str | None:
    """The text of a trusted document, or None."""
    found = select(_D.text).where(_D.tenant_id == tenant_id, _D.sha256 == sha256)
    text: str | None = await connection.scalar(found)
    return text


async def list_documents(connection: AsyncConnection, tenant_id: int) -> list[StoredDocument]:
    """Every trusted document of the tenant, oldest first."""
    every = select(_D.sha256, _D.text, _D.added_at).where(_D.tenant_id == tenant_id)
    rows = await connection.execute(every.order_by(_D.added_at, _D.sha256))
    return [StoredDocument(bytes(row.sha256), row.text, row.added_at) for row in rows]
