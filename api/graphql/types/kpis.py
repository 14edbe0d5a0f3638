"""KPIs, as docs/contract/kpis.md defines them.

The rows of `domain.kpis` carry the same names, so they stand for these types; only money is turned into lists.
"""

from datetime import date, datetime
from typing import Annotated, cast

import strawberry
from strawberry import Parent

from api.graphql.columns import Rows, computed
from api.graphql.context import Info
from api.graphql.fields import resolved
from api.graphql.selected_names import selected_names
from api.graphql.types.facts import Agent
from api.graphql.types.inputs import MessageKpiWhere, as_json
from api.graphql.types.message_outcome import MessageOutcome
from api.graphql.types.money import Money, money_per_currency
from api.graphql.types.nodes import linked_node
from api.graphql.types.payment_behaviour import PaymentBehaviourRow
from api.graphql.types.template_kpis import TemplateKpiRow
from domain.columns import Columns
from domain.filters import read_filter
from domain.kpis import agents, portfolio, requests
from domain.kpis.messages import Weekday
from domain.kpis.requests import AgentDimension, MessageDimension, MessageFigures, Period
from domain.kpis.templates import TemplateDimension
from domain.lasting import Lasting
from domain.storage.kpis.agents import agent_kpis
from domain.storage.kpis.payment_behaviour import payment_behaviour
from domain.storage.kpis.portfolio import portfolio_kpis
from domain.storage.kpis.templates import template_kpis
from domain.storage.kpis.traffic import traffic_kpis
from domain.storage.rollups.answering import CatchUp, current_message_kpis
from domain.vocabulary import AgingBucket, Channel, Source

_field = strawberry.field


@strawberry.type(
    description="Which group a row is of. A dimension that was not asked for is null, and one it has none of."
)
class MessageKpiKey:
    """Which group a row is of."""

    segment: str | None = _field(description="Segment key at sending.")
    channel: Channel | None = _field(description="Channel.")
    template: str | None = _field(description="The template's reference.")
    campaign: str | None = _field(description="The campaign's name.")
    agent: str | None = _field(description="Reference of the communication's own agent.")
    product: str | None = _field(description="Product of its account, else of the debtor's only one.")
    country: str | None = _field(description="The debtor's country, ISO 3166-1 alpha-2.")
    dpd_bucket: AgingBucket | None = _field(description="The debtor's days past due at sending, in bands.")
    currency: str | None = _field(
        description="Currency of its account, else of the debtor's only one, ISO 4217."
    )
    hour: int | None = _field(description="Hour of sending on the debtor's clock, 0–23.")
    weekday: Weekday | None = _field(description="Weekday of sending on the debtor's calendar.")
    day: date | None = _field(description="UTC day of sending.")
    week: date | None = _field(description="Monday of the UTC week of sending.")
    month: date | None = _field(description="First day of the UTC month of sending.")


@strawberry.type(
    description="A time from one stage to the next, in seconds, over the communications that have it."
)
class ReactionTime:
    """A time from one stage to the next."""

    count: int = _field(description="How many communications have it.")
    mean: float | None = _field(description="Mean, seconds; null when none has it.")
    p50: float | None = _field(description="The ⌈0.5·n⌉-th smallest, seconds; null when none has it.")
    p90: float | None = _field(description="The ⌈0.9·n⌉-th smallest, seconds; null when none has it.")
    median_censored: float | None = _field(
        description="Kaplan–Meier median, seconds, which also heeds those that have not reacted yet; null when not "
        "reached."
    )


@strawberry.type(description="How long people take, in seconds.")
class ReactionTimes:
    """How long people take."""

    sent_to_open: ReactionTime = _field(description="From sending to a person's first open.")
    open_to_pay: ReactionTime = _field(
        description="From a person's first open to the first attributed payment."
    )
    sent_to_pay: ReactionTime = _field(description="From sending to the first attributed payment.")


@strawberry.type(
    description="What became of the outbound communications sent in the period, of one group. Rates are 0–1, null when "
    "their denominator is 0."
)
class MessageKpiRow(MessageOutcome):
    """What became of one group's communications."""

    key: MessageKpiKey = _field(description="Which group.")
    reaction: ReactionTimes = _field(description="How long people took.")


computed("MessageKpiRow", "collected", money_per_currency)
computed("MessageKpiRow", "cost", money_per_currency)
computed("MessageKpiRow", "netCollected", money_per_currency)


@strawberry.type(
    description="Visits to the payment page from one source. Rates are 0–1, null when nothing to divide by."
)
class TrafficKpiRow:
    """Visits from one source."""

    source: Source | None = _field(description="Where from; null: the total, counted anew and not summed.")
    landing_views: int = _field(description="Landings by people, every one.")
    visitors: int = _field(description="Distinct debtors who landed.")
    share: float | None = _field(description="landingViews / the landingViews of all sources.")
    payments_started: int = _field(description="Payments begun.")
    payments_failed: int = _field(description="Payments that failed.")
    payments_abandoned: int = _field(description="Payments left unfinished.")
    drop_out_rate: float | None = _field(
        description="(paymentsFailed + paymentsAbandoned) / paymentsStarted."
    )
    conversions: int = _field(description="Visitors who paid within 24 h after their last landing.")
    landing_conversion_rate: float | None = _field(description="conversions / visitors.")


_AgentRow = Parent[agents.AgentKpiRow]


@strawberry.type(
    description="What agents reach and collect. Rates are 0–1, null when there is nothing to divide by."
)
class AgentKpiRow:
    """What agents reach and collect."""

    team: str | None = _field(description="The agent's team, or the team; null: none, or all.")
    active_agents: int = _field(description="Agents active on the period's last day.")
    accounts: int = _field(description="Assigned accounts that are delinquent at the end.")
    accounts_per_agent: float | None = _field(description="accounts / activeAgents.")
    outbound_calls: int = _field(description="Calls made in the period.")
    right_party_contacts: int = _field(description="Of these, calls that reached the debtor.")
    right_party_contact_rate: float | None = _field(description="rightPartyContacts / outboundCalls.")
    inbound_promises: int = _field(description="Promises made in the period that debtors came with.")
    inbound_promises_kept: int = _field(description="Of these, kept.")
    inbound_promises_kept_rate: float | None = _field(description="kept / (kept + broken) of these.")
    outbound_promises: int = _field(description="Promises made in the period that agents obtained.")
    outbound_promises_kept: int = _field(description="Of these, kept.")
    outbound_promises_kept_rate: float | None = _field(description="kept / (kept + broken) of these.")
    outbound_promises_kept_per_contact: float | None = _field(
        description="outboundPromisesKept / rightPartyContacts."
    )

    @resolved("The agent; null in a row of a team or of all.")
    async def agent(self, info: Info, parent: _AgentRow) -> Agent | None:
        """The agent."""
        found: Agent | None = await linked_node(info, "Agent", parent.agent_id)
        return found

    @resolved("Unreversed payments in the period on assigned accounts, one per currency.")
    def collected(self, parent: _AgentRow) -> list[Money]:
        """Payments on assigned accounts."""
        return money_per_currency(parent.collected)

    @resolved("collected / activeAgents, one per currency; empty when no agent is active.")
    def collected_per_agent(self, parent: _AgentRow) -> list[Money]:
        """Collected per active agent."""
        return money_per_currency(parent.collected_per_agent)


_Portfolio = Parent[portfolio.PortfolioKpis]


@strawberry.type(description="Accounts in a band of days past due at the period's end.")
class Aging:
    """Accounts in a band."""

    bucket: AgingBucket = _field(description="The band.")
    accounts: int = _field(description="Accounts with a balance in it.")
    balance: Money = _field(description="What they owe.")


@strawberry.type(description="Where the accounts of a band at the period's start are at its end.")
class RollRate:
    """Where accounts of a band went."""

    from_: AgingBucket = _field(description="The band at the start.", name="from")
    to: AgingBucket = _field(description="The band at the end; PAID: paid off.")
    accounts: int = _field(description="How many went so.")
    rate: float = _field(description="accounts / the accounts in the band at the start, 0–1.")


@strawberry.type(
    description="The portfolio in one currency over the period. Rates are 0–1; figures that cannot be known are null."
)
class PortfolioKpis:
    """The portfolio in one currency."""

    currency: str = _field(description="ISO 4217 code.")
    overdue_share: float | None = _field(description="overdue / receivables.")
    dso: float | None = _field(
        description="Days sales outstanding, in days, over the whole months of the period; null if a month is missing."
    )
    recovery_rate: float | None = _field(
        description="Paid while delinquent / (overdue at the start + what became overdue in the period)."
    )
    average_collection_days: float | None = _field(
        description="Days from due day to payment, weighted by amount; early ones count negative."
    )
    contact_coverage: float | None = _field(
        description="Debtors delinquent at the end with an outbound communication in the period / all such debtors."
    )
    cure_rate: float | None = _field(
        description="Accounts delinquent at the start that payments brought to 0 / all such accounts."
    )
    roll_rates: list[RollRate] = _field(description="Where the accounts of each band went.")

    @resolved("Balances at the end.")
    def receivables(self, parent: _Portfolio) -> Money:
        """Balances at the end."""
        return Money(amount=parent.receivables, currency=parent.currency)

    @resolved("Balances of delinquent accounts at the end.")
    def overdue(self, parent: _Portfolio) -> Money:
        """Delinquent balances."""
        return Money(amount=parent.overdue, currency=parent.currency)

    @resolved("Unreversed payments in the period.")
    def collected(self, parent: _Portfolio) -> Money:
        """Payments."""
        return Money(amount=parent.collected, currency=parent.currency)

    @resolved(
        "(revenue − operating cost of the whole months) / accounts delinquent at the end; null if a figure "
        "is missing."
    )
    def profit_per_account(self, parent: _Portfolio) -> Money | None:
        """Profit per delinquent account."""
        profit = parent.profit_per_account
        return None if profit is None else Money(amount=profit, currency=parent.currency)

    @resolved("Accounts with a balance at the end, by days past due.")
    def aging(self, parent: _Portfolio) -> list[Aging]:
        """Accounts by days past due."""
        return [
            Aging(
                bucket=band.bucket,
                accounts=band.accounts,
                balance=Money(amount=band.balance, currency=parent.currency),
            )
            for band in parent.aging
        ]


_By = Annotated[
    list[MessageDimension], strawberry.argument(description="What to split by; empty: one row for all.")
]
_Where = Annotated[MessageKpiWhere | None, strawberry.argument(description="Which communications count.")]
_Traits = Annotated[
    list[TemplateDimension], strawberry.argument(description="What to split by; empty: one row for all.")
]
_Per = Annotated[AgentDimension, strawberry.argument(description="What to report per.")]


@strawberry.type(description="The KPIs of a period, as known at an instant.")
class Kpis:
    """The KPIs of a period."""

    as_of: datetime = _field(description="The instant of knowledge: nothing later is counted.")
    period: strawberry.Private[Period]

    @resolved(
        "What became of the outbound communications sent in the period, whenever it happened. At most "
        "10,000 groups; more is an error that says how many."
    )
    async def messages(self, info: Info, by: _By, where: _Where = None) -> list[MessageKpiRow]:
        """Message KPIs."""
        asked = selected_names(info)
        found = await current_message_kpis(
            info.context.services.database,
            info.context.tenant_id,
            period=self.period,
            by=by,
            where=message_where(where),
            as_of=self.as_of,
            catch_up=CatchUp(info.context.now, info.context.catch_up),
            figures=MessageFigures(
                money=not asked.isdisjoint(("collected", "cost", "netCollected")),
                reactions="reaction" in asked,
                medians="medianCensored" in asked,
            ),
        )
        return cast(list[MessageKpiRow], found if isinstance(found, Columns | Lasting) else Rows(found))

    @resolved("Visits to the payment page: one row per source, and one with source null, the total.")
    async def traffic(self, info: Info) -> list[TrafficKpiRow]:
        """Traffic KPIs."""
        async with info.context.transaction() as connection:
            found = await traffic_kpis(
                connection, info.context.tenant_id, period=self.period, as_of=self.as_of
            )
        return cast(list[TrafficKpiRow], found)

    @resolved("What agents reach and collect.")
    async def agents(self, info: Info, by: _Per = AgentDimension.AGENT) -> list[AgentKpiRow]:
        """Agent KPIs."""
        async with info.context.transaction() as connection:
            found = await agent_kpis(
                connection, info.context.tenant_id, period=self.period, by=by, as_of=self.as_of
            )
        return cast(list[AgentKpiRow], found)

    @resolved("What is owed, how old it is and how it moves: one per currency.")
    async def portfolio(self, info: Info) -> list[PortfolioKpis]:
        """Portfolio KPIs."""
        async with info.context.transaction() as connection:
            found = await portfolio_kpis(
                connection, info.context.tenant_id, period=self.period, as_of=self.as_of
            )
        return cast(list[PortfolioKpis], found)

    @resolved(
        "How messages do by what their templates are like: what became of the outbound communications sent in the "
        "period, per combination of traits."
    )
    async def templates(self, info: Info, by: _Traits, where: _Where = None) -> list[TemplateKpiRow]:
        """Template KPIs."""
        await info.context.catch_up()
        found = await template_kpis(
            info.context.services.database,
            info.context.tenant_id,
            period=self.period,
            by=by,
            where=message_where(where),
            as_of=self.as_of,
        )
        return cast(list[TemplateKpiRow], found)

    @resolved(
        "How debtors pay: per currency one row per band of days past due when paid, and one with bucket null, the "
        "total."
    )
    async def payment_behaviour(self, info: Info) -> list[PaymentBehaviourRow]:
        """Payment behaviour."""
        async with info.context.transaction() as connection:
            found = await payment_behaviour(
                connection, info.context.tenant_id, period=self.period, as_of=self.as_of
            )
        return cast(list[PaymentBehaviourRow], found)


def message_where(where: MessageKpiWhere | None) -> requests.MessageKpiWhere | None:
    """The filter of message KPIs as the domain reads it."""
    return None if where is None else read_filter(requests.MessageKpiWhere, as_json(where), ("where",))
