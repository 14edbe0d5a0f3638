"""A tenant's settings as the rules need them."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.collection_settings import CollectionSettings
from domain.decision_settings import DecisionSettings
from domain.storage.tables import tenant


async def collection_settings(connection: AsyncConnection, tenant_id: int) -> CollectionSettings:
    """Grace days and attribution windows, as the tenant has set them."""
    stored = await connection.scalar(select(tenant.c.settings).where(tenant.c.id == tenant_id))
    return CollectionSettings.from_json(stored or {})


async def decision_settings(connection: AsyncConnection, tenant_id: int) -> DecisionSettings:
    """How decisions are made, as the tenant has set it."""
    stored = await connection.scalar(select(tenant.c.settings).where(tenant.c.id == tenant_id))
    return DecisionSettings.from_json(stored or {})
