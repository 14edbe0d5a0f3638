"""The root of subscriptions."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import strawberry

from api.graphql.context import Info
from api.graphql.fields import watched
from api.graphql.ids import number_of
from api.graphql.permissions import Group, allow
from api.graphql.types.inputs import PeriodInput
from api.graphql.types.kpis import Kpis
from api.graphql.types.models import TrainingRun
from api.services import InvalidArgument
from domain.kpis.requests import Period
from domain.storage.derived import catch_up
from domain.storage.rollups.watching import changed_since, seen_now
from domain.storage.training_runs import LIVE

_POLL_SECONDS = 0.5
#: A period's KPIs are told at most this often.
_KPI_SECONDS = 1.0


@strawberry.type(
    description="Everything that can be watched, over graphql-transport-ws or server-sent events."
)
class Subscription:
    """Everything that can be watched."""

    @watched("How a training stands: now, at every change, and at its end, which completes the subscription.")
    async def training_progress(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The run's global id.")],
    ) -> AsyncIterator[TrainingRun]:
        """How a training stands."""
        allow(info, Group.READ)
        number = number_of(id, "TrainingRun")
        shown = None
        while True:
            run = await info.context.services.training.run(info.context.tenant_id, number)
            if run is None:
                raise InvalidArgument("id: there is no such training run.", path=("id",))
            if run != shown:
                shown = run
                yield TrainingRun.of(run)
            if run.status not in LIVE:
                return
            await asyncio.sleep(_POLL_SECONDS)

    @watched(
        "The KPIs of a period, whenever facts they rest on have changed, whoever changed them; at most once a second. "
        "Nothing is told when only time has passed."
    )
    async def kpis_changed(
        self,
        info: Info,
        period: Annotated[PeriodInput, strawberry.argument(description="The period: from <= t < to.")],
    ) -> AsyncIterator[Kpis]:
        """A period's KPIs, when they have changed."""
        allow(info, Group.READ)
        watched_period = Period(period.from_, period.to)
        context = info.context
        async with context.services.database.transaction(context.tenant_id) as connection:
            seen = await seen_now(connection)
        while True:
            await asyncio.sleep(_KPI_SECONDS)
            async with context.services.database.transaction(context.tenant_id) as connection:
                changed, seen = await changed_since(
                    connection, context.tenant_id, period=watched_period, seen=seen
                )
            if changed:
                now = context.clock()
                async with context.services.database.transaction(context.tenant_id) as connection:
                    await catch_up(connection, context.tenant_id, now=now)
                yield Kpis(as_of=now, period=watched_period)
