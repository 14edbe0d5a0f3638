"""Model versions as listed: everything but their bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.models import ModelVersion
from domain.storage.reads.paging import Page, Position, SortKey, read_by_id, read_page
from domain.storage.tables import model_version
from domain.vocabulary import ModelStatus

_M = model_version.c
_ORDER = (SortKey(_M.version, descending=True),)


def _version(*values: Any) -> ModelVersion:
    named = dict(zip((field.name for field in fields(ModelVersion)), values, strict=True))
    return ModelVersion(**{**named, "status": ModelStatus(named["status"])})


def _versions(tenant_id: int) -> Select[Any]:
    return select(*(_M[field.name] for field in fields(ModelVersion))).where(_M.tenant_id == tenant_id)


async def versions_by_id(
    connection: AsyncConnection, tenant_id: int, wanted: Sequence[int]
) -> Mapping[int, ModelVersion]:
    """The tenant's model versions with these ids."""
    return await read_by_id(connection, _versions(tenant_id), _M.id, _version, wanted)


async def page_of_versions(
    connection: AsyncConnection, tenant_id: int, *, first: int, position: Position | None
) -> Page[ModelVersion]:
    """A page of the model versions, newest first."""
    return await read_page(connection, _versions(tenant_id), _ORDER, _version, first=first, position=position)


async def count_versions(connection: AsyncConnection, tenant_id: int) -> int:
    """How many model versions the tenant has."""
    counted = select(func.count()).select_from(model_version).where(_M.tenant_id == tenant_id)
    return int(await connection.scalar(counted) or 0)
