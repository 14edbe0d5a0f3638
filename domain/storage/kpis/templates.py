"""Template KPIs: message KPIs per template, put together by what the templates are like. Source: docs/kpis.md."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from domain.kpis.requests import MessageDimension, MessageFigures, MessageKpiWhere, Period
from domain.kpis.templates import TemplateDimension, TemplateKpiRow, TemplateTraits, by_traits
from domain.storage.rollups.answering import current_message_kpis
from domain.storage.sessions import Database
from domain.storage.tables import template


async def template_kpis(
    database: Database,
    tenant_id: int,
    *,
    period: Period,
    by: Sequence[TemplateDimension],
    where: MessageKpiWhere | None = None,
    as_of: datetime,
) -> list[TemplateKpiRow]:
    """One row per combination of traits that a message sent in the period has; as known at `as_of`.

    What a template is like is as stored now, at any `as_of`.

    Raises:
        KpiRequestError: TOO_MANY_GROUPS, of different templates.
    """
    rows = await current_message_kpis(
        database,
        tenant_id,
        period=period,
        by=[MessageDimension.TEMPLATE],
        where=where,
        as_of=as_of,
        figures=MessageFigures(reactions=False, medians=False),
    )
    columns = template.c.reference, template.c.tone, template.c.incentive, template.c.subject
    async with database.transaction(tenant_id) as connection:
        stored = await connection.execute(select(*columns).where(template.c.tenant_id == tenant_id))
    known = {
        row.reference: TemplateTraits(tone=row.tone, incentive=row.incentive, subject=row.subject)
        for row in stored
    }
    return by_traits(rows, known, by)
