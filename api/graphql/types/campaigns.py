"""Campaigns: a plan under limits, what it is expected to bring, and what it has brought."""

from datetime import datetime
from decimal import Decimal
from typing import cast

import strawberry

from api.decisions.lift import measure_lift
from api.graphql.context import Info
from api.graphql.counts import page_size
from api.graphql.cursors import ListOrder, decode
from api.graphql.fields import resolved
from api.graphql.types.arguments import After, First
from api.graphql.types.connections import Connection, connection_of
from api.graphql.types.logged import Decision
from api.graphql.types.money import Money, MoneyEstimate
from api.graphql.types.nodes import Node, found_by, node_id
from domain.storage.reads import decisions
from domain.storage.reads.campaigns import CampaignRow
from domain.vocabulary import Arm, CampaignStatus, Channel

_field = strawberry.field
_PLAN = ListOrder("plan", (int,))


@strawberry.type(description="How many contacts a channel has.")
class ChannelCount:
    """How many contacts a channel has."""

    channel: Channel = _field(description="Which channel.")
    count: int = _field(description="How many contacts are planned on it.")


@strawberry.type(description="What a campaign's contacts are expected to bring; one of each per currency.")
class CampaignExpected:
    """What a campaign is expected to bring."""

    collected: list[Money] = _field(description="Paid because of the contacts, against leaving alone.")
    cost: list[Money] = _field(description="What the contacts cost.")
    net: list[MoneyEstimate] = _field(
        description="Collected less cost and what opting out forfeits, with the 90 % interval of the expectation."
    )


@strawberry.type(description="What the debtors of an arm have paid.")
class ArmOutcome:
    """What the debtors of an arm have paid."""

    arm: Arm = _field(description="Whether its debtors are contacted as planned or left alone.")
    debtors: int = _field(description="How many debtors it has.")
    collected_per_debtor: list[MoneyEstimate] = _field(
        description="Paid per debtor with its 90 % interval, one per currency in which anybody paid; empty for fewer "
        "than two debtors."
    )


@strawberry.type(
    description="What a campaign has brought so far: payments from the beginning of its window to thirty days after it."
)
class Lift:
    """What a campaign has brought so far."""

    arms: list[ArmOutcome] = _field(description="PLANNED and HELD_OUT.")
    difference: list[MoneyEstimate] = _field(
        description="Per debtor, PLANNED less HELD_OUT, with its 90 % interval; one per currency; empty when an arm "
        "has fewer than two debtors."
    )


@strawberry.type(description="A plan under limits, logged as decisions.")
class Campaign(Node):
    """A plan under limits."""

    name: str = _field(description="Its name, for people.")
    status: CampaignStatus = _field(description="How it stands now, by its window.")
    planned_count: int = _field(description="How many debtors are to be contacted.")
    hold_out_count: int = _field(
        description="How many of those chosen are left alone, by a draw, to measure the lift."
    )
    blocked_count: int = _field(description="How many debtors the contact rules forbid to contact at all.")
    by_channel: list[ChannelCount] = _field(description="The planned contacts by channel.")
    expected: CampaignExpected = _field(description="What the planned contacts are expected to bring.")
    reasons: list[str] = _field(description="Why nobody is planned; empty when somebody is.")
    row: strawberry.Private[CampaignRow]

    @resolved("The decisions, in the order they were logged; a held-out debtor's has no action.")
    async def plan(self, info: Info, first: First = None, after: After = None) -> Connection[Decision]:
        """The decisions."""
        context, campaign_id = info.context, self.row.id
        size = page_size(first)
        position = None if after is None else decode(_PLAN, after)[0]
        async with context.transaction() as connection:
            page = await decisions.page_of_plan(
                connection, context.tenant_id, campaign_id, first=size, position=position
            )

        async def count() -> int:
            async with context.transaction() as connection:
                return await decisions.count_plan(connection, context.tenant_id, campaign_id)

        return connection_of(page, _PLAN, after=after, node=Decision.of, count=count)

    @resolved("As measured so far; null before the window, and when the campaign has no debtors.")
    async def lift(self, info: Info) -> Lift | None:
        """What it has brought so far."""
        context = info.context
        async with context.transaction() as connection:
            found = await measure_lift(connection, context.tenant_id, self.row, now=context.now)
        return cast("Lift | None", found)

    @classmethod
    def of(cls, row: CampaignRow, now: datetime) -> "Campaign":
        """The campaign of a row, as it stands at an instant."""
        money = row.expected["money"]
        return cls(
            id=node_id("Campaign", row.id),
            name=row.name,
            status=row.status_at(now),
            planned_count=row.planned_count,
            hold_out_count=row.held_out_count,
            blocked_count=row.blocked_count,
            by_channel=[
                ChannelCount(channel=channel, count=row.by_channel[channel])
                for channel in Channel
                if channel in row.by_channel
            ],
            expected=CampaignExpected(
                collected=[_money(currency, each["collected"]) for currency, each in money.items()],
                cost=[_money(currency, each["cost"]) for currency, each in money.items()],
                net=[
                    MoneyEstimate(
                        amount=Decimal(each["net"]),
                        currency=currency,
                        low=Decimal(each["low"]),
                        high=Decimal(each["high"]),
                    )
                    for currency, each in money.items()
                ],
            ),
            reasons=row.expected["reasons"],
            row=row,
        )


def _money(currency: str, amount: str) -> Money:
    return Money(amount=Decimal(amount), currency=currency)


found_by(
    "Campaign",
    lambda info, number: info.context.loaders.campaign.load(number),
    lambda row, info: Campaign.of(row, info.context.now),
)
