"""The root of mutations."""

from typing import Annotated

import strawberry

from api.answers import Failure
from api.graphql.auditing import changing
from api.graphql.context import Info
from api.graphql.counts import at_most
from api.graphql.deciding import decide
from api.graphql.ids import number_of
from api.graphql.ingesting import ingest
from api.graphql.permissions import Group
from api.graphql.planning import plan_campaign
from api.graphql.types.campaigns import Campaign
from api.graphql.types.debtors import Segment
from api.graphql.types.decision_inputs import DecideInput, PlanCampaignInput
from api.graphql.types.ingest import IngestReport
from api.graphql.types.inputs import (
    AccountInput,
    CommunicationInput,
    DebtorInput,
    EventInput,
    PaymentInput,
    PromiseInput,
    SegmentInput,
    TrainModelsInput,
    as_stored_json,
)
from api.graphql.types.logged import DecideReport
from api.graphql.types.models import ModelVersion, TrainingRun, UserError
from domain.filters import FilterError
from domain.storage.audit import record
from domain.storage.derived import propose_segments
from domain.storage.reads import segments

MOST_SEGMENTS = 1000

_said = strawberry.argument
_items = _said(description="At most 1,000 items; good ones land, bad ones come back.")


@strawberry.type(description="Segments, in the order in which their rules are tried.")
class SegmentList:
    """Segments in order."""

    segments: list[Segment] = strawberry.field(description="The segments that everything answers by.")
    applied: bool = strawberry.field(
        description="True: by the rules just given. False: the portfolio is large, so they are applied in the "
        "background; until then everything answers by the former rules (Query.segmentsPendingSince)."
    )


TrainModelsResult = Annotated[
    TrainingRun | UserError,
    strawberry.union("TrainModelsResult", description="The run, or why there is none."),
]
ModelVersionResult = Annotated[
    ModelVersion | UserError,
    strawberry.union("ModelVersionResult", description="The model that serves now, or why none was changed."),
]
DefineSegmentsResult = Annotated[
    SegmentList | UserError,
    strawberry.union(
        "DefineSegmentsResult", description="The segments as they are now, or why nothing changed."
    ),
]
DecideResult = Annotated[
    DecideReport | UserError,
    strawberry.union("DecideResult", description="What was decided, or why nothing was."),
]
PlanCampaignResult = Annotated[
    Campaign | UserError,
    strawberry.union("PlanCampaignResult", description="The campaign, or why there is none."),
]
_Id = Annotated[strawberry.ID, _said(description="A global id, as answered.")]


@strawberry.type(description="Everything that can be changed.")
class Mutation:
    """Everything that can be changed."""

    @changing(
        Group.DECIDE,
        "Replaces the segment rules; the first rule that holds for a debtor names its segment, in all "
        "of history. An empty list goes back to the default rules. Large portfolios follow in the background.",
    )
    async def define_segments(
        self,
        info: Info,
        input: Annotated[list[SegmentInput], _said(description="The rules, in order; at most 1,000.")],
    ) -> DefineSegmentsResult:
        """Replace the segment rules."""
        context = info.context
        at_most(input, MOST_SEGMENTS, "input")
        try:
            async with context.services.database.transaction(context.tenant_id) as connection:
                applied = await propose_segments(
                    connection, context.tenant_id, as_stored_json(input), now=context.now
                )
                await record(
                    connection,
                    context.tenant_id,
                    context.signature,
                    "defineSegments",
                    counts={"segments": len(input)},
                )
        except FilterError as error:
            return UserError(code=error.code, message=error.message, path=list(error.path))
        async with context.transaction() as connection:
            found = await segments.list_segments(connection, context.tenant_id)
        return SegmentList(segments=[Segment.of(row) for row in found], applied=applied)

    @changing(
        Group.DECIDE,
        "Chooses for each debtor, explores, and logs the choice with its probability. Leaving alone is a choice that "
        "is logged too. Asking again decides again: send the id of the decision that is carried out with its "
        "communication; one that is not carried out has no effect a day after its instant.",
    )
    async def decide(
        self,
        info: Info,
        input: Annotated[DecideInput, _said(description="For whom, and what may be chosen.")],
    ) -> DecideResult:
        """Choose, explore, log."""
        return await decide(info.context, input)

    @changing(
        Group.DECIDE,
        "Plans the contacts that bring the most net money within capacities, budget and contact rules, holds a share "
        "of them out to measure the lift, and logs each as a decision. Asking again plans another campaign.",
    )
    async def plan_campaign(
        self,
        info: Info,
        input: Annotated[PlanCampaignInput, _said(description="What to plan, and under which limits.")],
    ) -> PlanCampaignResult:
        """Plan a campaign."""
        return await plan_campaign(info.context, input)

    @changing(
        Group.OPERATE, "Starts a training and answers at once; while one waits or runs, that one is answered."
    )
    async def train_models(
        self,
        info: Info,
        input: Annotated[TrainModelsInput, _said(description="What to train.")],
    ) -> TrainModelsResult:
        """Start a training."""
        started = await info.context.services.training.start(
            info.context.tenant_id,
            as_of=input.as_of or None,
            promote=input.promote,
            by=info.context.signature,
        )
        return UserError.of(started) if isinstance(started, Failure) else TrainingRun.of(started)

    @changing(Group.OPERATE, "Stops a training that waits or runs.")
    async def cancel_training(self, info: Info, id: _Id) -> TrainModelsResult:
        """Stop a training."""
        cancelled = await info.context.services.training.cancel(
            info.context.tenant_id, number_of(id, "TrainingRun"), by=info.context.signature
        )
        return UserError.of(cancelled) if isinstance(cancelled, Failure) else TrainingRun.of(cancelled)

    @changing(
        Group.OPERATE,
        "Makes a model champion, whatever its gate said; the champion before it retires. Refused where that one was "
        "trained on newer data, or this one cannot be opened.",
    )
    async def promote_model(self, info: Info, id: _Id) -> ModelVersionResult:
        """Make a model champion."""
        promoted = await info.context.services.training.promote(
            info.context.tenant_id, number_of(id, "ModelVersion"), by=info.context.signature
        )
        return await _version(info, promoted)

    @changing(
        Group.OPERATE,
        "Makes the champion before this one champion again. Refused where that one cannot be opened.",
    )
    async def roll_back_model(self, info: Info) -> ModelVersionResult:
        """Go back to the champion before."""
        rolled_back = await info.context.services.training.roll_back(
            info.context.tenant_id, by=info.context.signature
        )
        return await _version(info, rolled_back)

    @changing(Group.INGEST, "Debtors, new or changed, by reference.")
    async def upsert_debtors(
        self,
        info: Info,
        input: Annotated[list[DebtorInput], _items],
    ) -> IngestReport:
        """Take debtors."""
        return await ingest(info, "debtors", input)

    @changing(Group.INGEST, "Accounts, new or changed, by reference.")
    async def upsert_accounts(
        self,
        info: Info,
        input: Annotated[list[AccountInput], _items],
    ) -> IngestReport:
        """Take accounts."""
        return await ingest(info, "accounts", input)

    @changing(Group.INGEST, "Messages and calls, new or changed, by reference.")
    async def record_communications(
        self,
        info: Info,
        input: Annotated[list[CommunicationInput], _items],
    ) -> IngestReport:
        """Take communications."""
        return await ingest(info, "communications", input)

    @changing(
        Group.INGEST,
        "What became of communications, and visits to the payment page: by the provider's id, for good.",
    )
    async def record_events(
        self,
        info: Info,
        input: Annotated[list[EventInput], _items],
    ) -> IngestReport:
        """Take events."""
        return await ingest(info, "events", input)

    @changing(Group.INGEST, "Payments, new or changed, by reference.")
    async def record_payments(
        self,
        info: Info,
        input: Annotated[list[PaymentInput], _items],
    ) -> IngestReport:
        """Take payments."""
        return await ingest(info, "payments", input)

    @changing(Group.INGEST, "Promises to pay, new or changed, by reference.")
    async def record_promises(
        self,
        info: Info,
        input: Annotated[list[PromiseInput], _items],
    ) -> IngestReport:
        """Take promises."""
        return await ingest(info, "promises", input)


async def _version(info: Info, outcome: int | Failure) -> ModelVersion | UserError:
    if isinstance(outcome, Failure):
        return UserError.of(outcome)
    row = await info.context.loaders.model_version.load(outcome)
    if row is None:
        raise LookupError(f"model version {outcome} was promoted and is gone")
    return ModelVersion.of(row)
