"""Making tenants and setting them up: what no tenant's own transaction may write, so it takes the owner's URL."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from domain.audit import operator
from domain.currencies import CURRENCIES
from domain.storage.audit import record
from domain.storage.sessions import TENANT_SETTING, async_url
from domain.storage.tables import tenant

_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class TenantError(Exception):
    """A tenant that cannot be made or changed; `code`: BAD_TENANT_KEY, BAD_CURRENCY, TENANT_EXISTS, TENANT_UNKNOWN."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


async def create_tenant(owner_url: str, *, key: str, name: str, currency: str) -> int:
    """A new tenant's id. key: how commands and addresses name it; currency: ISO 4217, what decisions are ranked in.

    Raises:
        TenantError: the key or the currency is no such thing, or the key is taken.
    """
    if not _KEY.fullmatch(key):
        raise TenantError(
            "BAD_TENANT_KEY",
            f"{key!r} cannot be a tenant's key: use 1 to 63 lower-case letters, digits, '-' and '_', "
            "beginning with a letter or digit.",
        )
    if currency not in CURRENCIES:
        raise TenantError("BAD_CURRENCY", f"{currency!r} is no ISO 4217 currency; write it like EUR.")
    engine = create_async_engine(async_url(owner_url))
    try:
        async with engine.begin() as connection:
            row = insert(tenant).values(key=key, name=name, currency=currency).returning(tenant.c.id)
            tenant_id = int((await connection.execute(row)).scalar_one())
            await _record(connection, tenant_id, "createTenant")
            return tenant_id
    except IntegrityError:
        raise TenantError("TENANT_EXISTS", f"There is a tenant {key!r} already.") from None
    finally:
        await engine.dispose()


async def change_settings(owner_url: str, *, key: str, changes: Mapping[str, Any]) -> None:
    """Set some of a tenant's settings, checked by the caller; the others stay.

    Raises:
        TenantError: there is no such tenant.
    """
    engine = create_async_engine(async_url(owner_url))
    try:
        async with engine.begin() as connection:
            merged = tenant.c.settings.concat(dict(changes))
            changed = update(tenant).where(tenant.c.key == key).values(settings=merged)
            tenant_id = (await connection.execute(changed.returning(tenant.c.id))).scalar_one_or_none()
            if tenant_id is None:
                raise TenantError("TENANT_UNKNOWN", f"There is no tenant {key!r}.")
            for name in sorted(changes):
                await _record(connection, tenant_id, "set" + "".join(map(str.title, name.split("_"))))
    finally:
        await engine.dispose()


async def _record(connection: AsyncConnection, tenant_id: int, action: str) -> None:
    """Note a command in the tenant's audit log, as of the instant the database stamps the transaction with."""
    bind = text(f"SELECT set_config('{TENANT_SETTING}', :tenant_id, true)")
    await connection.execute(bind, {"tenant_id": str(tenant_id)})
    now = (await connection.execute(select(func.now()))).scalar_one()
    await record(connection, tenant_id, operator(now), action)
