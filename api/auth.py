"""Who asks: API keys `dw_<tenant id>_<secret>`, made once, stored as a hash, checked on every request; or tokens.

The tenant stands in the key, so that the look-up itself runs under that tenant's row-level security.
"""

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from api.callers import Caller, Unauthenticated
from api.failed_logins import FailedLogins
from api.tokens import TokenVerifier
from domain.audit import Signature, operator
from domain.latest import Latest
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


class Door:
    """Tells who is behind an Authorization header; remembers whom it let in for a few seconds.

    tokens: of an issuer, where one is configured. failures: counts what is not good, where that is limited.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        tokens: TokenVerifier | None = None,
        failures: FailedLogins | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._tokens = tokens
        self._failures = failures
        self._believed: Latest[bytes, tuple[datetime, Caller]] = Latest(_REMEMBERED)

    async def caller(self, authorization: str | None, *, address: str | None = None) -> Caller:
        """The caller behind a header `Bearer KEY` or `Bearer TOKEN`, from an address (None: this machine's own).

        A key that was good before is always looked at, so that nobody is kept out by a neighbour's guesses.

        Raises:
            Unauthenticated: no such key, or it is not good any more; a token that is not good, or not for us.
            RateLimited: the address has named too many that are not good, and this one is new.
        """
        bearer = _BEARER.fullmatch(authorization or "")
        sent = bearer[1] if bearer else ""
        digest, now = _hash(sent), self._clock()
        known = self._believed.recall(digest)
        if known is not None and now < known[0]:
            return known[1]
        if known is None and sent and self._failures is not None:
            self._failures.check(address)
        try:
            caller, until = await self._look(sent, now)
        except Unauthenticated:
            if sent and self._failures is not None:
                self._failures.note(address)
            raise
        self._believed.keep(digest, (min(now + BELIEVED, until), caller))
        return caller

    async def _look(self, sent: str, now: datetime) -> tuple[Caller, datetime]:
        """Who sent it, and until when that is so."""
        parts = _KEY.fullmatch(sent)
        if parts is not None:
            return await self._key(int(parts[1]), parts[2], now)
        if self._tokens is not None and sent and not sent.startswith("dw_"):
            return await self._tokens.caller(sent)
        raise Unauthenticated(
            "UNAUTHENTICATED",
            "Send the header Authorization: Bearer KEY, with a key from `dunwell key create`.",
        )

    async def _key(self, tenant_id: int, secret: str, now: datetime) -> tuple[Caller, datetime]:
        async with self._database.transaction(tenant_id) as connection:
            key = _good(await find_key(connection, tenant_id, _hash(secret)), now)
        caller = Caller(tenant_id, key.role, key.id, reads_personal_data=key.reads_personal_data)
        ends = [end for end in (key.expires_at, key.revoked_at) if end is not None]
        return caller, min([now + BELIEVED, *ends])


def _good(key: StoredKey | None, now: datetime) -> StoredKey:
    if key is None:
        raise Unauthenticated("UNAUTHENTICATED", "This API key is not known.")
    if key.revoked_at is not None and key.revoked_at <= now:
        raise Unauthenticated("KEY_REVOKED", "This API key was revoked; ask for a new one.")
    if key.expires_at is not None and key.expires_at <= now:
        raise Unauthenticated("KEY_EXPIRED", "This API key has expired; ask for a new one.")
    return key
