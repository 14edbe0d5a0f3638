"""The facts: accounts, agents, communications, promises, payments."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from api.graphql.context import Info
from api.graphql.fields import resolved
from api.graphql.types.money import Money
from api.graphql.types.nodes import Node, found_by, linked_node, node_id
from domain.accounts import aging_bucket
from domain.communications import outcome
from domain.local_days import days_between
from domain.storage.reads.accounts import AccountRow, AgentRow
from domain.storage.reads.communications import CommunicationRow
from domain.storage.reads.payments import PaymentRow
from domain.storage.reads.promises import PromiseRow
from domain.vocabulary import AgingBucket, BounceKind, Channel, Direction, PromiseStatus

if TYPE_CHECKING:
    from api.graphql.types.debtors import Debtor

_LazyDebtor = Annotated["Debtor", strawberry.lazy("api.graphql.types.debtors")]
_field = strawberry.field


@strawberry.type(description="One of the creditor's people who call debtors or take their promises.")
class Agent(Node):
    """An agent of the creditor."""

    reference: str = _field(description="The creditor's own id.")
    name: str = _field(description="Full name. Personal.")
    team: str | None = _field(description="The team's name; null: in none.")

    @classmethod
    def of(cls, row: AgentRow) -> "Agent":
        """The agent of a row."""
        return cls(id=node_id("Agent", row.id), reference=row.reference, name=row.name, team=row.team)


@strawberry.type(description="One debt of a debtor.")
class Account(Node):
    """One debt of a debtor."""

    reference: str = _field(description="The creditor's own id.")
    product: str = _field(description="What was sold.")
    opened_on: date = _field(description="First day of the account.")
    due_on: date = _field(description="The day it was to be paid.")
    closed_on: date | None = _field(description="From this day on it is closed; null: open.")
    days_past_due: int = _field(
        description="Days from dueOn to today on the debtor's calendar while something is owed; 0 when not yet due, "
        "paid or closed."
    )
    bucket: AgingBucket = _field(
        description="daysPastDue in bands; PAID when nothing is owed or the account is closed."
    )
    principal: Money = _field(description="What was owed at first.")
    balance: Money = _field(
        description="What is owed now: principal less unreversed payments, never below 0."
    )
    row: strawberry.Private[AccountRow]

    @resolved("Who owes it.")
    async def debtor(self, info: Info) -> _LazyDebtor:
        """The debtor."""
        found: Debtor = await linked_node(info, "Debtor", self.row.debtor_id)
        return found

    @resolved("The agent it is assigned to; null: none.")
    async def agent(self, info: Info) -> Agent | None:
        """The agent."""
        found: Agent | None = await linked_node(info, "Agent", self.row.agent_id)
        return found

    @classmethod
    def of(cls, row: AccountRow) -> "Account":
        """The account of a row."""
        owes = row.balance > 0 and (row.closed_on is None or row.today < row.closed_on)
        has_begun = row.opened_on <= row.today
        days = max(days_between(row.due_on, row.today), 0) if owes and has_begun else 0
        return cls(
            id=node_id("Account", row.id),
            reference=row.reference,
            product=row.product,
            opened_on=row.opened_on,
            due_on=row.due_on,
            closed_on=row.closed_on,
            days_past_due=days,
            bucket=aging_bucket(days) if owes else AgingBucket.PAID,
            principal=Money(amount=row.principal, currency=row.currency),
            balance=Money(amount=row.balance, currency=row.currency),
            row=row,
        )


@strawberry.type(description="A message or call between creditor and debtor, and what became of it.")
class Communication(Node):
    """A communication and its funnel."""

    reference: str = _field(description="The creditor's own id.")
    channel: Channel = _field(description="How it travelled.")
    direction: Direction = _field(description="Who began it.")
    template: str | None = _field(description="Reference of its template; null: none is known.")
    campaign: str | None = _field(description="Name of its campaign; null: none.")
    sent_at: datetime = _field(description="When it was sent.")
    cost: Money | None = _field(description="What it cost; null: unknown.")
    delivered_at: datetime | None = _field(
        description="The earliest proof of delivery, where it counts as delivered: a receipt without a hard bounce, or "
        "a person's own open, click, landing, reply or conversation. Null for a letter without such a proof, "
        "though one that did not bounce counts as delivered in the KPIs."
    )
    bounced_at: datetime | None = _field(
        description="When it bounced, where it counts as bounced: not delivered, a hard bounce before a soft one."
    )
    bounce_kind: BounceKind | None = _field(description="How it counts as bounced; null: it does not.")
    opened_at: datetime | None = _field(
        description="When a person first opened it; a click or landing proves an open. Null: never, as far as is known."
    )
    machine_opened_at: datetime | None = _field(
        description="When a machine (a mail-privacy proxy, a scanner) first opened it; counts as no open."
    )
    clicked_at: datetime | None = _field(
        description="When a person first clicked in it; a landing proves a click."
    )
    landed_at: datetime | None = _field(description="When a person first landed on the payment page from it.")
    converted_at: datetime | None = _field(
        description="When the first payment attributed to it was paid (kpis.md, Attribution)."
    )
    row: strawberry.Private[CommunicationRow]

    @resolved("With whom.")
    async def debtor(self, info: Info) -> _LazyDebtor:
        """The debtor."""
        found: Debtor = await linked_node(info, "Debtor", self.row.debtor_id)
        return found

    @resolved("What it was about; null: the debtor as a whole.")
    async def account(self, info: Info) -> Account | None:
        """The account."""
        found: Account | None = await linked_node(info, "Account", self.row.account_id)
        return found

    @resolved("The agent who called or wrote; null: none.")
    async def agent(self, info: Info) -> Agent | None:
        """The agent."""
        found: Agent | None = await linked_node(info, "Agent", self.row.agent_id)
        return found

    @classmethod
    def of(cls, row: CommunicationRow) -> "Communication":
        """The communication of a row."""
        became = outcome(
            Channel(row.channel),
            delivered_at=row.delivered_at,
            bounced_hard_at=row.bounced_hard_at,
            bounced_soft_at=row.bounced_soft_at,
            engaged_at=(
                row.opened_at,
                row.clicked_at,
                row.landed_at,
                row.replied_at,
                row.right_party_contacted_at,
            ),
        )
        cost = (
            Money(amount=row.cost, currency=row.currency) if row.cost is not None and row.currency else None
        )
        return cls(
            id=node_id("Communication", row.id),
            reference=row.reference,
            channel=Channel(row.channel),
            direction=Direction(row.direction),
            template=row.template,
            campaign=row.campaign,
            sent_at=row.sent_at,
            cost=cost,
            delivered_at=became.delivered_at,
            bounced_at=became.bounced_at,
            bounce_kind=became.bounce_kind,
            opened_at=row.opened_at,
            machine_opened_at=row.machine_opened_at,
            clicked_at=row.clicked_at,
            landed_at=row.landed_at,
            converted_at=row.converted_at,
            row=row,
        )


@strawberry.type(description="A debtor's word to pay an amount by a day.")
class Promise(Node):
    """A promise to pay."""

    reference: str = _field(description="The creditor's own id.")
    amount: Money = _field(description="What was promised.")
    promised_at: datetime = _field(description="When it was made.")
    due_on: date = _field(description="The day it is due, on the debtor's calendar.")
    direction: Direction = _field(description="Who began the conversation.")
    status: PromiseStatus = _field(description="How it stands now.")
    row: strawberry.Private[PromiseRow]

    @resolved("The account it is on.")
    async def account(self, info: Info) -> Account:
        """The account."""
        found: Account = await linked_node(info, "Account", self.row.account_id)
        return found

    @resolved("Whose it is: the agent it names, else its communication's, else its account's; null: none.")
    async def agent(self, info: Info) -> Agent | None:
        """The agent."""
        found: Agent | None = await linked_node(info, "Agent", self.row.agent_id)
        return found

    @classmethod
    def of(cls, row: PromiseRow, now: datetime) -> "Promise":
        """The promise of a row as it stands at `now`."""
        return cls(
            id=node_id("Promise", row.id),
            reference=row.reference,
            amount=Money(amount=row.amount, currency=row.currency),
            promised_at=row.promised_at,
            due_on=row.due_on,
            direction=Direction(row.direction),
            status=_status(row, now),
            row=row,
        )


def _status(row: PromiseRow, now: datetime) -> PromiseStatus:
    if row.kept_at is not None and row.kept_at <= now:
        return PromiseStatus.KEPT
    return PromiseStatus.BROKEN if row.deadline is not None and row.deadline <= now else PromiseStatus.PENDING


@strawberry.type(description="Money that came in on an account.")
class Payment(Node):
    """Money that came in on an account."""

    reference: str = _field(description="The creditor's own id.")
    amount: Money = _field(description="How much was paid.")
    paid_at: datetime = _field(description="When it was paid.")
    reversed_at: datetime | None = _field(description="When it was taken back; null: it stands.")
    method: str | None = _field(description="How it was paid; null: unknown.")
    row: strawberry.Private[PaymentRow]

    @resolved("The account it was paid on.")
    async def account(self, info: Info) -> Account:
        """The account."""
        found: Account = await linked_node(info, "Account", self.row.account_id)
        return found

    @resolved(
        "The communication that brought it: the stated one, else the latest that the debtor engaged with "
        "shortly before (kpis.md, Attribution); null: none, or the payment was reversed or is yet to come."
    )
    async def attributed_to(self, info: Info) -> Communication | None:
        """The communication."""
        now, reversed_at = info.context.now, self.row.reversed_at
        stands = self.row.paid_at <= now and (reversed_at is None or reversed_at > now)
        cause = self.row.attributed_to if stands else None
        found: Communication | None = await linked_node(info, "Communication", cause)
        return found

    @classmethod
    def of(cls, row: PaymentRow) -> "Payment":
        """The payment of a row."""
        return cls(
            id=node_id("Payment", row.id),
            reference=row.reference,
            amount=Money(amount=row.amount, currency=row.currency),
            paid_at=row.paid_at,
            reversed_at=row.reversed_at,
            method=row.method,
            row=row,
        )


found_by("Agent", lambda info, number: info.context.loaders.agent.load(number), lambda row, _: Agent.of(row))
found_by(
    "Account", lambda info, number: info.context.loaders.account.load(number), lambda row, _: Account.of(row)
)
found_by(
    "Communication",
    lambda info, number: info.context.loaders.communication.load(number),
    lambda row, _: Communication.of(row),
)
found_by(
    "Promise",
    lambda info, number: info.context.loaders.promise.load(number),
    lambda row, info: Promise.of(row, info.context.now),
)
found_by(
    "Payment", lambda info, number: info.context.loaders.payment.load(number), lambda row, _: Payment.of(row)
)
