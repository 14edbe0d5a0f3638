"""API keys: only the SHA-256 of a secret is stored, under its tenant's row-level security."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.tables import api_key
from domain.vocabulary import Role

_K = api_key.c


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is known of an API key; the secret is not."""

    id: int
    role: Role
    label: str
    reads_personal_data: bool
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


_COLUMNS = [_K[name] for name in StoredKey.__dataclass_fields__]


def _stored(row: Row[Any]) -> StoredKey:
    return StoredKey(**{**row._mapping, "role": Role(row.role)})


async def store_key(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    role: Role,
    secret_sha256: bytes,
    label: str,
    expires_at: datetime | None,
    reads_personal_data: bool = True,
    now: datetime,
) -> int:
    """Store a new key's hash and answer its id."""
    stored = insert(api_key).values(
        tenant_id=tenant_id,
        role=role.value,
        secret_sha256=secret_sha256,
        label=label,
        reads_personal_data=reads_personal_data,
        created_at=now,
        expires_at=expires_at,
    )
    return int((await connection.execute(stored.returning(_K.id))).scalar_one())


async def find_key(connection: AsyncConnection, tenant_id: int, secret_sha256: bytes) -> StoredKey | None:
    """The tenant's key with this hash, whether it is still good or not."""
    found = select(*_COLUMNS).where(_K.tenant_id == tenant_id, _K.secret_sha256 == secret_sha256)
    row = (await connection.execute(found)).one_or_none()
    return _stored(row) if row else None


async def list_keys(connection: AsyncConnection, tenant_id: int) -> list[StoredKey]:
    """Every key the tenant ever had, oldest first."""
    rows = await connection.execute(select(*_COLUMNS).where(_K.tenant_id == tenant_id).order_by(_K.id))
    return [_stored(row) for row in rows]


async def revoke_key(connection: AsyncConnection, tenant_id: int, key_id: int, *, now: datetime) -> bool:
    """Revoke a key for good; False when the tenant has no such key. Revoking again keeps the first instant."""
    revoked = (
        update(api_key)
        .where(_K.tenant_id == tenant_id, _K.id == key_id)
        .values(revoked_at=func.coalesce(_K.revoked_at, now))
    )
    return (await connection.execute(revoked)).rowcount == 1
