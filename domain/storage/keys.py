"""API keys: only the SHA-256 of a secret is stored, under its tenant's row-level security."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.tables import api_key
from domain.vocabulary import Role

_K = api_key.c


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is known of an API key; the secret is not."""

    id: int
    role: Role
    expires_at: datetime | None
    revoked_at: datetime | None


async def store_key(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    role: Role,
    secret_sha256: bytes,
    label: str,
    expires_at: datetime | None,
    now: datetime,
) -> int:
    """Store a new key's hash and answer its id."""
    stored = insert(api_key).values(
        tenant_id=tenant_id,
        role=role.value,
        secret_sha256=secret_sha256,
        label=label,
        created_at=now,
        expires_at=expires_at,
    )
    return int((await connection.execute(stored.returning(_K.id))).scalar_one())


async def find_key(connection: AsyncConnection, tenant_id: int, secret_sha256: bytes) -> StoredKey | None:
    """The tenant's key with this hash, whether it is still good or not."""
    found = select(_K.id, _K.role, _K.expires_at, _K.revoked_at).where(
        _K.tenant_id == tenant_id, _K.secret_sha256 == secret_sha256
    )
    row = (await connection.execute(found)).one_or_none()
    return StoredKey(row.id, Role(row.role), row.expires_at, row.revoked_at) if row else None


async def revoke_key(connection: AsyncConnection, tenant_id: int, key_id: int, *, now: datetime) -> bool:
    """Revoke a key for good; False when the tenant has no such key. Revoking again keeps the first instant."""
    revoked = (
        update(api_key)
        .where(_K.tenant_id == tenant_id, _K.id == key_id)
        .values(revoked_at=func.coalesce(_K.revoked_at, now))
    )
    return (await connection.execute(revoked)).rowcount == 1
