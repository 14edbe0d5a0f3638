"""Small portfolios made at random, as plain objects, and a writer that puts them into the tables as they are.

Instants are drawn from a coarse grid, so that equal instants, ties and days that change at midnight are common.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.accounts import Account, Payment
from domain.names import name_key
from domain.storage import tables
from domain.vocabulary import Channel, Direction, EventKind

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 120
NOW = START + timedelta(days=90)
ZONES = ("Europe/Madrid", "America/Havana", "Asia/Kathmandu", "Pacific/Kiritimati", "UTC")
FUNNEL = {
    EventKind.DELIVERED: ("delivered_at",),
    EventKind.BOUNCED_HARD: ("bounced_hard_at",),
    EventKind.BOUNCED_SOFT: ("bounced_soft_at",),
    EventKind.OPENED: ("opened_at",),
    EventKind.CLICKED: ("opened_at", "clicked_at"),
    EventKind.LANDED: ("opened_at", "clicked_at", "landed_at"),
    EventKind.REPLIED: ("replied_at",),
    EventKind.RIGHT_PARTY_CONTACTED: ("right_party_contacted_at",),
    EventKind.UNSUBSCRIBED: ("unsubscribed_at",),
    EventKind.COMPLAINED: ("complained_at",),
}


@dataclass
class Event:
    reference: str
    kind: EventKind
    occurred_at: datetime
    automated: bool
    communication: str | None


@dataclass
class Communication:
    reference: str
    account: str | None
    channel: Channel
    direction: Direction
    sent_at: datetime


@dataclass
class PromiseMade:
    reference: str
    account: str
    amount: Decimal
    promised_at: datetime
    due_on: date


@dataclass
class ContactPoint:
    channel: Channel
    address: str
    verified_at: datetime | None
    consented_at: datetime | None
    opted_out_at: datetime | None


@dataclass
class DebtorWorld:
    """A debtor with all that belongs to it; `accounts` and `products` by reference, `causes` by payment reference."""

    reference: str
    name: str
    country: str
    region: str | None
    time_zone: str
    segment: str | None
    email: str | None
    phone: str | None
    attributes: dict[str, Any]
    customer_since: date | None
    accounts: dict[str, Account] = field(default_factory=dict)
    products: dict[str, str] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)
    promises: list[PromiseMade] = field(default_factory=list)
    communications: list[Communication] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    contact_points: list[ContactPoint] = field(default_factory=list)

    @property
    def payments(self) -> list[tuple[str, Payment]]:
        """(account reference, payment)."""
        return [(name, payment) for name, account in self.accounts.items() for payment in account.payments]


def _instant(rng: random.Random, spread: int = DAYS) -> datetime:
    return START + timedelta(hours=6 * rng.randrange(spread * 4))


def _beside(rng: random.Random, payment: Payment) -> datetime:
    """The very instant of a payment or its reversal, or the microsecond after."""
    instant = rng.choice([payment.paid_at, payment.reversed_at or payment.paid_at])
    return instant + timedelta(microseconds=rng.choice([0, 0, 1]))


def _money(rng: random.Random, most: int) -> Decimal:
    return Decimal(rng.randrange(1, most * 4)) / 4


def random_portfolio(seed: int, debtors: int = 12) -> list[DebtorWorld]:
    rng = random.Random(seed)
    return [_debtor(rng, f"D{index:04}") for index in range(debtors)]


def _debtor(rng: random.Random, reference: str) -> DebtorWorld:
    debtor = DebtorWorld(
        reference=reference,
        name=rng.choice(["Ada", "ada lovelace", "ÁDA", "Zoë", "O'Neil: 100%", "Ævar"]) + f" {reference}",
        country=rng.choice(["ES", "DK"]),
        region=rng.choice([None, "ES-MD"]),
        time_zone=rng.choice(ZONES),
        segment=rng.choice([None, None, None, "VIP"]),
        email=rng.choice([None, f"{reference}@example.org"]),
        phone=rng.choice([None, "+34600000000"]),
        attributes=rng.choice(
            [{}, {"x_score": 7}, {"x_score": "12.5"}, {"x_score": "high"}, {"x_vip": True}]
        ),
        customer_since=rng.choice([None, date(2024, 1, 1), date(2025, 6, 1)]),
    )
    for number in range(rng.randrange(4)):
        _account(rng, debtor, f"{reference}-A{number}")
    for number in range(rng.randrange(8)):
        account = rng.choice([None, *debtor.accounts])
        channel, direction = rng.choice(list(Channel)), rng.choice([*Direction, Direction.OUTBOUND])
        sent_at = _instant(rng)
        if debtor.payments and rng.random() < 0.4:
            sent_at = _beside(rng, rng.choice(debtor.payments)[1])
        if debtor.promises and rng.random() < 0.2:
            sent_at = rng.choice(debtor.promises).promised_at
        if debtor.communications and rng.random() < 0.2:
            channel, sent_at = debtor.communications[-1].channel, debtor.communications[-1].sent_at
        debtor.communications.append(
            Communication(f"{reference}-C{number}", account, channel, direction, sent_at)
        )
    for number in range(rng.randrange(16)):
        sent = rng.choice([None, *debtor.communications])
        after = timedelta(hours=6 * rng.randrange(-2, 40))
        debtor.events.append(
            Event(
                f"{reference}-E{number}",
                rng.choice(list(FUNNEL)),
                (sent.sent_at if sent else _instant(rng)) + after,
                rng.random() < 0.2,
                sent.reference if sent else None,
            )
        )
    _near_payments(rng, debtor)
    for channel in rng.sample(list(Channel), rng.randrange(3)):
        address = rng.choice([debtor.email or "x", debtor.phone or "x", "other"])
        dates = [rng.choice([None, _instant(rng)]) for _ in range(3)]
        debtor.contact_points.append(ContactPoint(channel, address, *dates))
    return debtor


def _account(rng: random.Random, debtor: DebtorWorld, reference: str) -> None:
    opened_on = (START + timedelta(days=rng.randrange(-60, DAYS))).date()
    due_on = opened_on + timedelta(days=rng.randrange(60))
    principal, payments = _money(rng, 150), []
    for number in range(rng.randrange(5)):
        paid_at = _instant(rng)
        reversed_at = rng.choice([None, None, paid_at + timedelta(hours=6 * rng.randrange(-40, 80))])
        amount = rng.choice([principal, _money(rng, 60)])
        payments.append(Payment(f"{reference}-P{number}", amount, paid_at, reversed_at))
    closed_on = rng.choice([None, None, opened_on + timedelta(days=rng.randrange(100)), NOW.date()])
    debtor.products[reference] = rng.choice(["CARD", "LOAN", "Überziehung"])
    debtor.accounts[reference] = Account(
        principal=principal,
        currency=rng.choice(["EUR", "DKK"]),
        opened_on=opened_on,
        due_on=due_on,
        closed_on=closed_on,
        payments=tuple(payments),
    )
    for number in range(rng.randrange(4)):
        promised_at = _instant(rng)
        due = (promised_at + timedelta(days=rng.randrange(1, 20))).date()
        debtor.promises.append(
            PromiseMade(f"{reference}-R{number}", reference, _money(rng, 60), promised_at, due)
        )


def _near_payments(rng: random.Random, debtor: DebtorWorld) -> None:
    """Some events just inside and outside of the attribution windows; some payments with a known cause."""
    for _, payment in debtor.payments:
        if debtor.communications and rng.random() < 0.2:
            debtor.causes[payment.reference] = rng.choice(debtor.communications).reference
        for days in (3, 7):
            if debtor.communications and rng.random() < 0.4:
                offset = timedelta(days=days) - timedelta(microseconds=rng.choice([0, 1]))
                kind = rng.choice([EventKind.OPENED, EventKind.CLICKED])
                for sent in rng.choices(debtor.communications, k=2):  # at the same instant: a tie
                    name = f"{debtor.reference}-N{len(debtor.events)}"
                    occurred_at = payment.paid_at - offset
                    debtor.events.append(Event(name, kind, occurred_at, False, sent.reference))


# ---------- into the tables ----------


async def write(
    connection: AsyncConnection, tenant_id: int, world: Sequence[DebtorWorld], *, touch: bool = True
) -> None:
    """Insert a portfolio; with `touch` its debtors are left in `touched_debtor`, as a merge would."""
    debtor_ids = await _insert(connection, tenant_id, tables.debtor, [_debtor_row(d) for d in world])
    accounts, payments, promises, sent, events, points = [], [], [], [], [], []
    for debtor in world:
        owner = {"debtor_id": debtor_ids[debtor.reference]}
        accounts += [owner | _account_row(debtor, name) for name in debtor.accounts]
        sent += [owner | _communication_row(debtor, c) for c in debtor.communications]
        points += [owner | vars(point) for point in debtor.contact_points]
    account_ids = await _insert(connection, tenant_id, tables.account, accounts)
    for row in sent:
        row["account_id"] = account_ids.get(row.pop("account"))
    sent_ids = await _insert(connection, tenant_id, tables.communication, sent)
    for debtor in world:
        owner = {"debtor_id": debtor_ids[debtor.reference]}
        for name, payment in debtor.payments:
            cause = sent_ids.get(debtor.causes.get(payment.reference, ""))
            on = {"account_id": account_ids[name], "currency": debtor.accounts[name].currency}
            payments.append(owner | on | vars(payment) | {"communication_id": cause})
        for promise in debtor.promises:
            row = vars(promise) | {"account_id": account_ids[promise.account], "direction": "INBOUND"}
            row["currency"] = debtor.accounts[row.pop("account")].currency
            promises.append(owner | row)
        for event in debtor.events:
            row = vars(event) | {
                "communication_id": sent_ids.get(event.communication or ""),
                "source": "DIRECT",
            }
            row.pop("communication")
            events.append(owner | row)
    for table, rows in (
        (tables.payment, payments),
        (tables.promise, promises),
        (tables.event, events),
        (tables.contact_point, points),
    ):
        if rows:
            await connection.execute(insert(table), [{"tenant_id": tenant_id} | row for row in rows])
    if touch:
        await touched(connection, debtor_ids.values())


async def touched(connection: AsyncConnection, debtor_ids: Any) -> None:
    await connection.execute(text("DROP TABLE IF EXISTS pg_temp.touched_debtor"))
    await connection.execute(
        text("CREATE TEMP TABLE touched_debtor (debtor_id bigint PRIMARY KEY) ON COMMIT DROP")
    )
    await connection.execute(
        text("INSERT INTO touched_debtor SELECT unnest(CAST(:ids AS bigint[]))"), {"ids": list(debtor_ids)}
    )


async def _insert(
    connection: AsyncConnection, tenant_id: int, table: Any, rows: Sequence[dict[str, Any]]
) -> dict[str, int]:
    if not rows:
        return {}
    statement = insert(table).returning(table.c.reference, table.c.id)
    found = await connection.execute(statement, [{"tenant_id": tenant_id} | row for row in rows])
    return {row.reference: row.id for row in found}


def _debtor_row(debtor: DebtorWorld) -> dict[str, Any]:
    plain = ("reference", "name", "country", "region", "time_zone", "segment", "email", "phone", "attributes")
    row = {name: getattr(debtor, name) for name in (*plain, "customer_since")}
    return row | {"name_key": name_key(debtor.name)}


def _account_row(debtor: DebtorWorld, name: str) -> dict[str, Any]:
    row = vars(debtor.accounts[name]) | {"reference": name, "product": debtor.products[name]}
    row.pop("payments")
    return row


def _communication_row(debtor: DebtorWorld, sent: Communication) -> dict[str, Any]:
    funnel: dict[str, datetime | None] = dict.fromkeys([*sum(FUNNEL.values(), ()), "machine_opened_at"])
    for event in debtor.events:
        if event.communication != sent.reference:
            continue
        human = event.kind not in (EventKind.OPENED, EventKind.CLICKED, EventKind.LANDED, EventKind.REPLIED)
        columns = FUNNEL[event.kind] if human or not event.automated else ()
        if event.automated and event.kind is EventKind.OPENED:
            columns = ("machine_opened_at",)
        for column in columns:
            funnel[column] = min(funnel[column] or event.occurred_at, event.occurred_at)
    return vars(sent) | funnel
