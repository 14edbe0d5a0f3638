"""Who asks: API keys `dw_<tenant id>_<secret>`, made once, stored as a hash, checked on every request.

The tenant stands in the key, so that the look-up itself runs under that tenant's row-level security.
"""

import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta

from api.callers import Caller, Unauthenticated
from domain.audit import Signature, operator
from domain.storage import keys
from domain.storage.audit import record
from domain.storage.keys import StoredKey, find_key, store_key
from domain.storage.sessions import Database
from domain.vocabulary import Role

#: How long a verified key is believed without another look: the longest a revoked one goes on working.
BELIEVED = timedelta(seconds=5)
_REMEMBERED = 1000
_KEY = re.compile(r"dw_([1-9]\d{0,8})_([A-Za-z0-9_-]{43})")
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)


async def create_key(
    database: Database,
    tenant_id: int,
    role: Role,
    *,
    label: str = "",
    expires_at: datetime | None = None,
    reads_personal_data: bool = True,
    now: datetime,
    by: Signature | None = None,
) -> str:
    """Make a key and answer it; it cannot be shown again. by: who makes it; default: a command."""
    secret = secrets.token_urlsafe(32)
    async with database.transaction(tenant_id) as connection:
        key_id = await store_key(
            connection,
            tenant_id,
            role=role,
            secret_sha256=_hash(secret),
            label=label,
            expires_at=expires_at,
            reads_personal_data=reads_personal_data,
            now=now,
        )
        await record(connection, tenant_id, by or operator(now), "createKey", nodes=[("ApiKey", key_id)])
    return f"dw_{tenant_id}_{secret}"


async def revoke_key(database: Database, tenant_id: int, key_id: int, *, now: datetime) -> bool:
    """Revoke a key for good, by a command; False when the tenant has no such key."""
    async with database.transaction(tenant_id) as connection:
        revoked = await keys.revoke_key(connection, tenant_id, key_id, now=now)
        if revoked:
            await record(connection, tenant_id, operator(now), "revokeKey", nodes=[("ApiKey", key_id)])
    return revoked


def _hash(secret: str) -> bytes:
    # A secret of 256 random bits needs no slow hash: there is nothing to guess.
    return hashlib.sha256(secret.encode()).digest()


class KeyVerifier:
    """Tells who is behind an Authorization header; remembers good keys for a few seconds."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._believed: OrderedDict[tuple[int, bytes], tuple[datetime, Caller]] = OrderedDict()

    async def caller(self, authorization: str | None) -> Caller:
        """The caller behind a header `Bearer KEY`.

        Raises:
            Unauthenticated: no such key, or it is not good any more.
        """
        tenant_id, digest = _parse(authorization)
        now = self._clock()
        known = self._believed.get((tenant_id, digest))
        if known is not None and now < known[0]:
            return known[1]
        async with self._database.transaction(tenant_id) as connection:
            key = await find_key(connection, tenant_id, digest)
        good = _good(key, now)
        caller = Caller(tenant_id, good.role, good.id, good.reads_personal_data)
        self._believed[(tenant_id, digest)] = (_believed_until(good, now), caller)
        if len(self._believed) > _REMEMBERED:
            self._believed.popitem(last=False)
        return caller


def _parse(authorization: str | None) -> tuple[int, bytes]:
    bearer = _BEARER.fullmatch(authorization or "")
    parts = _KEY.fullmatch(bearer[1]) if bearer else None
    if parts is None:
        raise Unauthenticated(
            "UNAUTHENTICATED",
            "Send the header Authorization: Bearer KEY, with a key from `dunwell key create`.",
        )
    return int(parts[1]), _hash(parts[2])


def _good(key: StoredKey | None, now: datetime) -> StoredKey:
    if key is None:
        raise Unauthenticated("UNAUTHENTICATED", "This API key is not known.")
    if key.revoked_at is not None and key.revoked_at <= now:
        raise Unauthenticated("KEY_REVOKED", "This API key was revoked; ask for a new one.")
    if key.expires_at is not None and key.expires_at <= now:
        raise Unauthenticated("KEY_EXPIRED", "This API key has expired; ask for a new one.")
    return key


def _believed_until(key: StoredKey, now: datetime) -> datetime:
    ends = [end for end in (key.expires_at, key.revoked_at) if end is not None]
    return min([now + BELIEVED, *ends])
