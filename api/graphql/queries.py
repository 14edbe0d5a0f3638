"""The root of queries."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, cast

import strawberry

from api.answers import ForecastDimension, ForecastKpi, ForecastPolicy
from api.graphql import lists
from api.graphql.columns import Rows
from api.graphql.context import Context, Info
from api.graphql.counts import MOST_IDS, MOST_REFERENCES, at_most
from api.graphql.fields import root
from api.graphql.ids import number_of, parse_id, parse_ids
from api.graphql.permissions import Group
from api.graphql.types.advice import AdvisedSegment, DebtorRecommendation, SegmentRecommendation
from api.graphql.types.arguments import After, AsOf, Channels, First, Within
from api.graphql.types.audit import AuditEntry, AuditWhere
from api.graphql.types.campaigns import Campaign
from api.graphql.types.connections import Connection
from api.graphql.types.debtors import Debtor, Segment
from api.graphql.types.decisions import shown
from api.graphql.types.facts import Communication, Promise
from api.graphql.types.forecasts import KpiForecast, shown_forecast
from api.graphql.types.inputs import CommunicationWhere, DebtorOrder, DebtorWhere, PeriodInput, PromiseWhere
from api.graphql.types.kpis import Kpis
from api.graphql.types.logged import Decision
from api.graphql.types.models import ModelVersion, TrainingRun, UserError
from api.graphql.types.nodes import Node, find_node
from api.graphql.windows import instant_of, window_of
from api.services import InvalidArgument
from domain.kpis.requests import Period
from domain.storage.derived import draft_since
from domain.storage.reads import debtors, segments

LONGEST_HORIZON = 90
#: Every day between the facts and `asOf` is worked through, so it may not lie as far ahead as one likes.
FURTHEST_AHEAD = timedelta(days=1_096)

_said = strawberry.argument
_Id = Annotated[strawberry.ID, _said(description="A global id, as answered.")]
_Ids = Annotated[list[strawberry.ID], _said(description="Global ids, at most 100.")]
_References = Annotated[list[str], _said(description="The creditor's own ids, at most 1,000.")]
_DebtorWhere = Annotated[DebtorWhere | None, _said(description="Which debtors; default: all.")]
_OrderBy = Annotated[
    list[DebtorOrder] | None, _said(description="Sort keys, at most 5. Default: REFERENCE ASC.")
]
_CommunicationWhere = Annotated[
    CommunicationWhere | None, _said(description="Which communications; default: all.")
]
_PromiseWhere = Annotated[PromiseWhere | None, _said(description="Which promises; default: all.")]
_AuditWhere = Annotated[AuditWhere | None, _said(description="Which entries; default: all.")]
_Period = Annotated[PeriodInput, _said(description="The period: from <= t < to.")]


@strawberry.type(description="Everything that can be asked.")
class Query:
    """Everything that can be asked."""

    @root(Group.READ, "Whatever has this global id; null when there is no such thing.")
    async def node(self, info: Info, id: _Id) -> Node | None:
        """Whatever has this id."""
        return await find_node(info, *parse_id(id))

    @root(Group.READ, "Whatever has these global ids, in their order; null where there is no such thing.")
    async def nodes(self, info: Info, ids: _Ids) -> list[Node | None]:
        """Whatever has these ids."""
        at_most(ids, MOST_IDS, "ids")
        return list(await asyncio.gather(*(find_node(info, *each) for each in parse_ids(ids))))

    @root(Group.READ, "A debtor by global id; null when there is none.")
    async def debtor(self, info: Info, id: _Id) -> Debtor | None:
        """A debtor by id."""
        row = await info.context.loaders.debtor.load(number_of(id, "Debtor"))
        return Debtor.of(row) if row else None

    @root(Group.READ, "A debtor by the creditor's own id; null when there is none.")
    async def debtor_by_reference(
        self, info: Info, reference: Annotated[str, _said(description="The creditor's own id.")]
    ) -> Debtor | None:
        """A debtor by reference."""
        return (await debtors_by_reference(info.context, [reference])).get(reference)

    @root(Group.READ, "The debtors, in the order asked for.")
    async def debtors(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        where: _DebtorWhere = None,
        order_by: _OrderBy = None,
    ) -> Connection[Debtor]:
        """The debtors."""
        return await lists.list_debtors(
            info.context, first=first, after=after, where=where, order_by=order_by
        )

    @root(Group.READ, "Messages and calls of all debtors, newest first.")
    async def communications(
        self, info: Info, first: First = 20, after: After = None, where: _CommunicationWhere = None
    ) -> Connection[Communication]:
        """Messages and calls."""
        return await lists.list_communications(info.context, first=first, after=after, where=where)

    @root(Group.READ, "Promises to pay of all debtors, newest first.")
    async def promises(
        self, info: Info, first: First = 20, after: After = None, where: _PromiseWhere = None
    ) -> Connection[Promise]:
        """Promises to pay."""
        return await lists.list_promises(info.context, first=first, after=after, where=where)

    @root(
        Group.READ,
        "The segments: the rules in the order in which they are tried, then the keys without a rule that "
        "debtors have.",
    )
    async def segments(self, info: Info) -> list[Segment]:
        """The segments."""
        async with info.context.transaction() as connection:
            return [
                Segment.of(row) for row in await segments.list_segments(connection, info.context.tenant_id)
            ]

    @root(
        Group.READ,
        "When segment rules were given that are still being applied in the background; null: everything answers by the "
        "latest rules.",
    )
    async def segments_pending_since(self, info: Info) -> datetime | None:
        """Since when new segment rules wait."""
        async with info.context.transaction() as connection:
            return await draft_since(connection, info.context.tenant_id)

    @root(Group.READ, "The KPIs of a period (docs/contract/kpis.md).")
    async def kpis(self, info: Info, period: _Period, as_of: AsOf = None) -> Kpis:
        """The KPIs of a period."""
        return Kpis(as_of=as_of or info.context.now, period=Period(period.from_, period.to))

    @root(
        Group.READ, "A forecast of KPIs with 90 % intervals; null while no model serves or nothing was sent."
    )
    async def kpi_forecast(
        self,
        info: Info,
        horizon_days: Annotated[int, _said(description="How many days ahead, 1 to 90.")],
        policy: Annotated[ForecastPolicy, _said(description="Whose sending.")],
        by: Annotated[
            list[ForecastDimension] | None, _said(description="What to split by; default: nothing.")
        ] = None,
        kpis: Annotated[list[ForecastKpi] | None, _said(description="Which KPIs; default: all.")] = None,
        as_of: AsOf = None,
    ) -> KpiForecast | None:
        """A forecast of KPIs."""
        if not 1 <= horizon_days <= LONGEST_HORIZON:
            raise InvalidArgument(
                f"horizonDays is {horizon_days}; ask for 1 to {LONGEST_HORIZON} days.", path=("horizonDays",)
            )
        known_at = instant_of(as_of, info.context.now)
        if known_at > info.context.now + FURTHEST_AHEAD:
            raise InvalidArgument(
                f"asOf: a forecast begins at most {FURTHEST_AHEAD.days} days from now.", path=("asOf",)
            )
        await info.context.catch_up()
        found = await info.context.services.forecasts.forecast(
            info.context.tenant_id,
            horizon_days=horizon_days,
            policy=policy,
            by=by or [],
            kpis=kpis,
            as_of=known_at,
        )
        return None if found is None else shown_forecast(found)

    @root(Group.READ, "What to do next with each segment; in the order of the segments.")
    async def segment_recommendations(
        self,
        info: Info,
        segments: Annotated[
            list[str] | None, _said(description="Segment keys; default: every segment that has debtors.")
        ] = None,
        within: Within = None,
        channels: Channels = None,
        as_of: AsOf = None,
    ) -> list[SegmentRecommendation]:
        """What to do next with each segment."""
        at_most(segments, MOST_REFERENCES, "segments")
        found = await info.context.services.recommendations.for_segments(
            info.context.tenant_id,
            segments=segments,
            within=window_of(within),
            channels=None if channels is None else frozenset(channels),
            as_of=instant_of(as_of, info.context.now),
            now=info.context.now,
        )
        return cast(list[SegmentRecommendation], Rows(map(AdvisedSegment, found)))

    @root(Group.READ, "What to do next with each debtor, in the order asked; logs nothing.")
    async def debtor_recommendations(
        self,
        info: Info,
        references: _References,
        within: Within = None,
        channels: Channels = None,
        as_of: AsOf = None,
    ) -> list[DebtorRecommendation]:
        """What to do next with each debtor."""
        at_most(references, MOST_REFERENCES, "references")
        found = await debtors_by_reference(info.context, references)
        advice = await info.context.services.recommendations.for_debtors(
            info.context.tenant_id,
            [debtor.row.id for debtor in found.values()],
            within=window_of(within),
            channels=None if channels is None else frozenset(channels),
            as_of=instant_of(as_of, info.context.now),
        )
        return [
            DebtorRecommendation(
                reference=reference,
                debtor=debtor,
                recommendation=shown(advice[debtor.row.id]) if debtor else None,
                error=None if debtor else unknown_reference(index),
            )
            for index, reference in enumerate(references)
            for debtor in [found.get(reference)]
        ]

    @root(Group.READ, "A logged decision; null when there is none with this id.")
    async def decision(self, info: Info, id: _Id) -> Decision | None:
        """A logged decision."""
        row = await info.context.loaders.decision.load(number_of(id, "Decision"))
        return Decision.of(row) if row else None

    @root(Group.READ, "A campaign; null when there is none with this id.")
    async def campaign(self, info: Info, id: _Id) -> Campaign | None:
        """A campaign."""
        row = await info.context.loaders.campaign.load(number_of(id, "Campaign"))
        return Campaign.of(row, info.context.now) if row else None

    @root(Group.READ, "The campaigns, newest first.")
    async def campaigns(self, info: Info, first: First = 20, after: After = None) -> Connection[Campaign]:
        """The campaigns."""
        return await lists.list_campaigns(info.context, first=first, after=after)

    @root(Group.READ, "A training run; null when there is none with this id.")
    async def training_run(self, info: Info, id: _Id) -> TrainingRun | None:
        """A training run."""
        number = number_of(id, "TrainingRun")
        run = await info.context.services.training.run(info.context.tenant_id, number)
        return TrainingRun.of(run) if run else None

    @root(Group.READ, "The trained models, newest first.")
    async def model_versions(
        self, info: Info, first: First = 20, after: After = None
    ) -> Connection[ModelVersion]:
        """The trained models."""
        return await lists.list_model_versions(info.context, first=first, after=after)

    @root(
        Group.AUDIT,
        "Who did what: every mutation and every command that changes something, newest first. Entries are added in the "
        "transaction of what they tell of, and never changed. What was refused before it began (syntax, types, limits) "
        "leaves none.",
    )
    async def audit_log(
        self, info: Info, first: First = 20, after: After = None, where: _AuditWhere = None
    ) -> Connection[AuditEntry]:
        """Who did what."""
        return await lists.list_audit_entries(info.context, first=first, after=after, where=where)


async def debtors_by_reference(context: Context, references: Sequence[str]) -> Mapping[str, Debtor]:
    """The caller's debtors with these references."""
    async with context.transaction() as connection:
        rows = await debtors.debtors_by_reference(connection, context.tenant_id, references, now=context.now)
    return {reference: Debtor.of(row) for reference, row in rows.items()}


def unknown_reference(index: int) -> UserError:
    """The error of a reference that no debtor has."""
    return UserError(
        code="UNKNOWN_REFERENCE",
        message="No debtor has this reference.",
        path=["references", str(index)],
    )
