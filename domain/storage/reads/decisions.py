"""Logged decisions, and the communications that carried them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.reads.paging import Page, Position, SortKey, among, read_by_id, read_page
from domain.storage.tables import communication, decision
from domain.vocabulary import Arm

_D = decision.c
_C = communication.c
_ORDER = (SortKey(_D.id),)


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision as logged. action, blocked_by: as JSON. eligible: channel:hours-of-week, e.g. EMAIL:8-20."""

    id: int
    decided_at: datetime
    debtor_id: int
    action: dict[str, Any] | None
    propensity: float
    explored: bool
    arm: Arm
    eligible: list[str]
    blocked_by: list[dict[str, Any]]
    reasons: list[str]
    model_version_id: int | None
    rules_version: str
    policy: str

    @property
    def eligible_count(self) -> int:
        """Of how many it was chosen: contacts (channel × local hour of the week) and leaving alone."""
        spans = [text.partition(":")[2].partition("-") for text in self.eligible]
        return 1 + sum(int(last) - int(first) + 1 for first, _, last in spans)


def _decision(*values: Any) -> DecisionRow:
    named = dict(zip(DecisionRow.__dataclass_fields__, values, strict=True))
    return DecisionRow(**{**named, "arm": Arm(named["arm"])})


def _decisions(tenant_id: int) -> Select[Any]:
    return select(*(_D[name] for name in DecisionRow.__dataclass_fields__)).where(_D.tenant_id == tenant_id)


async def decisions_by_id(
    connection: AsyncConnection, tenant_id: int, wanted: Sequence[int]
) -> Mapping[int, DecisionRow]:
    """The tenant's decisions with these ids."""
    return await read_by_id(connection, _decisions(tenant_id), _D.id, _decision, wanted)


async def page_of_plan(
    connection: AsyncConnection, tenant_id: int, campaign_id: int, *, first: int, position: Position | None
) -> Page[DecisionRow]:
    """A page of a campaign's decisions, in the order they were made."""
    planned = _decisions(tenant_id).where(_D.campaign_id == campaign_id)
    return await read_page(connection, planned, _ORDER, _decision, first=first, position=position)


async def count_plan(connection: AsyncConnection, tenant_id: int, campaign_id: int) -> int:
    """How many decisions a campaign has."""
    counted = select(func.count()).where(_D.tenant_id == tenant_id, _D.campaign_id == campaign_id)
    return int(await connection.scalar(counted) or 0)


async def outcomes(
    connection: AsyncConnection, tenant_id: int, decision_ids: Sequence[int]
) -> Mapping[int, int]:
    """The id of the first communication that was sent back with each decision; one not carried out is left out."""
    found = (
        select(_C.decision_id, _C.id)
        .ext(distinct_on(_C.decision_id))
        .where(_C.tenant_id == tenant_id, among(_C.decision_id, decision_ids))
        .order_by(_C.decision_id, _C.sent_at, _C.id)
    )
    return {row.decision_id: row.id for row in await connection.execute(found)}
