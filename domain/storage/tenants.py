"""Making tenants and setting them up: what no tenant's own transaction may write, so it takes the owner's URL."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit import operator
from domain.collection_settings import CollectionSettings
from domain.currencies import CURRENCIES
from domain.decision_settings import DecisionSettings
from domain.storage.audit import record
from domain.storage.derived import derive_everything
from domain.storage.sessions import Database, bind
from domain.storage.tables import tenant

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_MAY_MAKE_TENANTS = text("SELECT has_table_privilege('tenant', 'INSERT')")


class TenantError(Exception):
    """A tenant that cannot be made or changed.

    code: BAD_TENANT_KEY, BAD_TENANT_NAME, BAD_CURRENCY, TENANT_EXISTS, TENANT_UNKNOWN, NOT_THE_OWNER.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def create_tenant(owner_url: str, *, key: str, name: str, currency: str) -> int:
    """A new tenant's id. key: how commands and addresses name it; currency: ISO 4217, what decisions are ranked in.

    Raises:
        TenantError: the key, the name or the currency is no such thing, the key is taken, or the URL is not of the
            owner.
    """
    if not _KEY.fullmatch(key):
        raise TenantError(
            "BAD_TENANT_KEY",
            f"{key!r} cannot be a tenant's key: use 1 to 63 lower-case letters, digits, '-' and '_', "
            "beginning with a letter or digit.",
        )
    if not name.strip() or not name.isprintable():
        raise TenantError(
            "BAD_TENANT_NAME",
            "A tenant's name is a line of at least one letter, as people write it: Acme.",
        )
    if currency not in CURRENCIES:
        raise TenantError("BAD_CURRENCY", f"{currency!r} is no ISO 4217 currency; write it like EUR.")
    try:
        async with _as_owner(owner_url) as connection:
            row = insert(tenant).values(key=key, name=name.strip(), currency=currency).returning(tenant.c.id)
            tenant_id = int((await connection.execute(row)).scalar_one())
            await bind(connection, tenant_id)
            await _record(connection, tenant_id, "createTenant")
            return tenant_id
    except IntegrityError:
        raise TenantError("TENANT_EXISTS", f"There is a tenant {key!r} already.") from None


async def change_settings(owner_url: str, *, key: str, changes: Mapping[str, Any], now: datetime) -> None:
    """Set some of a tenant's settings; the others stay. Contact rules are checked by the caller.

    Where lengths of `CollectionSettings` change, all that rests on them is derived anew in the same transaction: who
    reads meanwhile, or after this was killed, finds everything by the former ones.

    Raises:
        TenantError: there is no such tenant, or the URL is not of the owner.
        SettingError: a setting has no such value.
    """
    async with _as_owner(owner_url) as connection:
        # Rows that refer to the tenant are written meanwhile: whoever writes them may hold what is waited for below.
        found = (
            select(tenant.c.id, tenant.c.settings).where(tenant.c.key == key).with_for_update(key_share=True)
        )
        row = (await connection.execute(found)).one_or_none()
        if row is None:
            raise TenantError("TENANT_UNKNOWN", f"There is no tenant {key!r}.")
        settings = {**row.settings, **changes}
        DecisionSettings.from_json(settings)
        lengths = CollectionSettings.from_json(settings)
        await connection.execute(update(tenant).where(tenant.c.id == row.id).values(settings=settings))
        await bind(connection, row.id)
        if lengths != CollectionSettings.from_json(row.settings):
            await derive_everything(connection, row.id, now=now)
        for name in sorted(changes):
            await _record(connection, row.id, "set" + "".join(map(str.title, name.split("_"))))


@dataclass(frozen=True)
class StoredTenant:
    """A tenant and what it has set."""

    key: str
    name: str
    currency: str
    has_contact_rules: bool
    decisions: DecisionSettings
    collection: CollectionSettings


async def list_tenants(owner_url: str) -> list[StoredTenant]:
    """Every tenant, by key. Raises TenantError: the URL is not of the owner."""
    async with _as_owner(owner_url) as connection:
        rows = await connection.execute(select(tenant).order_by(tenant.c.key))
        return [
            StoredTenant(
                row.key,
                row.name,
                row.currency,
                bool(row.settings.get("contact_rules")),
                DecisionSettings.from_json(row.settings),
                CollectionSettings.from_json(row.settings),
            )
            for row in rows
        ]


@asynccontextmanager
async def _as_owner(owner_url: str) -> AsyncIterator[AsyncConnection]:
    database = Database(owner_url, pool_size=1)
    try:
        async with database.engine.begin() as connection:
            if not await connection.scalar(_MAY_MAKE_TENANTS):
                raise TenantError(
                    "NOT_THE_OWNER",
                    "Tenants are made, set up and listed by the role that owns the tables: name it in "
                    "DUNWELL_MIGRATIONS_URL.",
                )
            yield connection
    finally:
        await database.close()


async def _record(connection: AsyncConnection, tenant_id: int, action: str) -> None:
    """Note a command in the tenant's audit log, as of the instant the database stamps the transaction with."""
    now = (await connection.execute(select(func.now()))).scalar_one()
    await record(connection, tenant_id, operator(now), action)
