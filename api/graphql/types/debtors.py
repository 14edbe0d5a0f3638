"""Debtors: who they are, what they owe, how to reach them, and everything that happened."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, TypeVar

import strawberry
from strawberry.dataloader import DataLoader

from api.graphql.columns import computed
from api.graphql.context import Info
from api.graphql.counts import page_size
from api.graphql.cursors import ListOrder, decode
from api.graphql.fields import resolved
from api.graphql.loaders import Asked, Slice
from api.graphql.scalars import JSON
from api.graphql.types.arguments import After, AsOf, First, Within
from api.graphql.types.connections import Connection, connection_of
from api.graphql.types.decisions import Recommendation, shown
from api.graphql.types.facts import Account, Communication, Payment, Promise
from api.graphql.types.money import Money, money_per_currency
from api.graphql.types.nodes import Node, found_by, node_id
from api.graphql.windows import instant_of, window_of
from domain.storage.reads.debtors import DebtorRow
from domain.storage.reads.paging import Page
from domain.storage.reads.segments import SegmentRow
from domain.vocabulary import Channel, ContactPointStatus

R = TypeVar("R")
_field = strawberry.field

#: Each nested list and the types of its order: what its cursors are bound to.
_ACCOUNTS = ListOrder("debtor.accounts", (date, int))
_COMMUNICATIONS = ListOrder("debtor.communications", (datetime, int))
_PROMISES = ListOrder("debtor.promises", (datetime, int))
_PAYMENTS = ListOrder("debtor.payments", (datetime, int))
NESTED_LISTS = {
    "accounts": _ACCOUNTS,
    "communications": _COMMUNICATIONS,
    "promises": _PROMISES,
    "payments": _PAYMENTS,
}


@strawberry.type(description="A way to reach a debtor.")
class ContactPoint:
    """A way to reach a debtor."""

    channel: Channel = _field(description="For which channel it is good.")
    address: str | None = _field(
        description="E-mail, E.164 number, postal address or device token. Personal."
    )
    status: ContactPointStatus = _field(
        description="OPTED_OUT: the debtor refused the channel (a stated opt-out, an unsubscription or a complaint) "
        "and has not consented since. BOUNCED: a hard bounce on the channel, no proof of reach since, and not "
        "verified since. Else VERIFIED or not."
    )
    verified_at: datetime | None = _field(description="When it was proven to be the debtor's; null: never.")
    consented_at: datetime | None = _field(
        description="When the debtor agreed to be contacted here; null: never."
    )
    opted_out_at: datetime | None = _field(
        description="When the debtor refused it; null: they have not, or have consented since."
    )


@strawberry.type(
    description="A part of the portfolio: by the creditor's own key, else by the first rule that holds, else NONE."
)
class Segment:
    """A part of the portfolio."""

    key: str = _field(description="Short and stable.")
    row: strawberry.Private[SegmentRow | None]

    @resolved("For people; the key where no rule gives a name.")
    async def name(self, info: Info) -> str:
        """The name."""
        if self.row is not None:
            return self.row.name
        rule = await info.context.loaders.segment_rule.load(self.key)
        return rule[0] if rule else self.key

    @resolved("The rule, as given; null for a creditor's own key.")
    async def where(self, info: Info) -> JSON | None:
        """The rule."""
        if self.row is not None:
            return None if self.row.rule is None else JSON(self.row.rule)
        rule = await info.context.loaders.segment_rule.load(self.key)
        return JSON(rule[1]) if rule else None

    @resolved("How many debtors are in it now.")
    async def debtor_count(self, info: Info) -> int:
        """How many debtors are in it."""
        if self.row is not None:
            return self.row.debtor_count
        return await info.context.loaders.segment_size.load(self.key)

    @classmethod
    def of(cls, row: SegmentRow) -> "Segment":
        """The segment of a row."""
        return cls(key=row.key, row=row)


computed("Segment", "name", lambda row: row.name, of="row")
computed("Segment", "debtorCount", lambda row: row.debtor_count, of="row")


@strawberry.type(description="Somebody who owes the creditor money.")
class Debtor(Node):
    """Somebody who owes."""

    reference: str = _field(description="The creditor's own id.")
    name: str = _field(description="Full name. Personal.")
    country: str = _field(description="ISO 3166-1 alpha-2 code.")
    region: str | None = _field(description="ISO 3166-2 code; null: unknown.")
    language: str | None = _field(description="BCP 47 tag; null: unknown.")
    time_zone: str = _field(description="IANA name; the debtor's calendar and clock go by it.")
    days_past_due: int = _field(
        description="Days past due today on the debtor's calendar: the most over the open accounts that owe."
    )
    last_contacted_at: datetime | None = _field(
        description="When the creditor last sent or called; null: never."
    )
    attributes: JSON = _field(
        description="The custom attributes, an object of the import's x_ columns. Personal."
    )
    row: strawberry.Private[DebtorRow]

    @resolved("The segment the debtor is in now.")
    def segment(self) -> Segment:
        """The segment."""
        return Segment(key=self.row.segment_key, row=None)

    @resolved("What is owed on open accounts, one per currency, by currency code.")
    async def balance(self, info: Info) -> list[Money]:
        """What is owed."""
        return money_per_currency(await info.context.loaders.balances.load(self.row.id))

    @resolved(
        "How to reach the debtor: the debtor's own e-mail, phone and post and the imported contact points, "
        "by channel."
    )
    async def contact_points(self, info: Info) -> list[ContactPoint]:
        """How to reach the debtor."""
        return [
            ContactPoint(
                channel=point.channel,
                address=point.address,
                status=point.status,
                verified_at=point.verified_at,
                consented_at=point.consented_at,
                opted_out_at=point.opted_out_at,
            )
            for point in await info.context.loaders.contact_points.load(self.row.id)
        ]

    @resolved("The debts, oldest due date first.")
    async def accounts(self, info: Info, first: First = None, after: After = None) -> Connection[Account]:
        """The debts."""
        loaders = info.context.loaders
        return await self._list(
            loaders.accounts_of, loaders.account_count, _ACCOUNTS, first, after, Account.of
        )

    @resolved("Messages and calls, newest first.")
    async def communications(
        self, info: Info, first: First = None, after: After = None
    ) -> Connection[Communication]:
        """Messages and calls."""
        loaders = info.context.loaders
        return await self._list(
            loaders.communications_of,
            loaders.communication_count,
            _COMMUNICATIONS,
            first,
            after,
            Communication.of,
        )

    @resolved("Promises to pay, newest first.")
    async def promises(self, info: Info, first: First = None, after: After = None) -> Connection[Promise]:
        """Promises to pay."""
        loaders, now = info.context.loaders, info.context.now
        return await self._list(
            loaders.promises_of,
            loaders.promise_count,
            _PROMISES,
            first,
            after,
            lambda row: Promise.of(row, now),
        )

    @resolved("Payments on any of the accounts, newest first.")
    async def payments(self, info: Info, first: First = None, after: After = None) -> Connection[Payment]:
        """Payments."""
        loaders = info.context.loaders
        return await self._list(
            loaders.payments_of, loaders.payment_count, _PAYMENTS, first, after, Payment.of
        )

    @resolved("What to do next with this debtor, computed now (or as of an instant); logs nothing.")
    async def recommendation(self, info: Info, as_of: AsOf = None, within: Within = None) -> Recommendation:
        """What to do next."""
        asked = Asked(self.row.id, window_of(within), instant_of(as_of, info.context.now))
        return shown(await info.context.loaders.recommendation.load(asked))

    async def _list(
        self,
        slices: DataLoader[Slice, Page[R]],
        counts: DataLoader[int, int],
        order: ListOrder,
        first: int | None,
        after: str | None,
        node: Callable[[R], Any],
    ) -> Connection[Any]:
        position = None if after is None else decode(order, after)[0]
        page = await slices.load(Slice(self.row.id, page_size(first), position))

        async def count() -> int:
            return await counts.load(self.row.id)

        return connection_of(page, order, after=after, node=node, count=count)

    @classmethod
    def of(cls, row: DebtorRow) -> "Debtor":
        """The debtor of a row."""
        return cls(
            id=node_id("Debtor", row.id),
            reference=row.reference,
            name=row.name,
            country=row.country,
            region=row.region,
            language=row.language,
            time_zone=row.time_zone,
            days_past_due=row.days_past_due,
            last_contacted_at=row.last_contacted_at,
            attributes=JSON(row.attributes),
            row=row,
        )


found_by(
    "Debtor", lambda info, number: info.context.loaders.debtor.load(number), lambda row, _: Debtor.of(row)
)
