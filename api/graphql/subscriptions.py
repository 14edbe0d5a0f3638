"""The root of subscriptions."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import strawberry

from api.graphql.context import Info
from api.graphql.fields import watched
from api.graphql.ids import number_of
from api.graphql.permissions import Group, allow
from api.graphql.types.models import TrainingRun
from api.services import InvalidArgument
from domain.vocabulary import RunStatus

_POLL_SECONDS = 0.5
_LIVE = (RunStatus.QUEUED, RunStatus.RUNNING)


@strawberry.type(description="Everything that can be watched, over graphql-transport-ws.")
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
            if run.status not in _LIVE:
                return
            await asyncio.sleep(_POLL_SECONDS)
