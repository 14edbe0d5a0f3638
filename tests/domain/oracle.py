"""How a random debtor stands at an instant, and which filters it meets: plain Python over its facts, for comparison."""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from domain.accounts import days_past_due, open_balances
from domain.attribution import Engagement, attribute
from domain.debtor_where import DebtorWhere
from domain.local_days import local_date
from domain.promises import Promise, Settlement, deadline, promise_status, settle
from domain.vocabulary import Channel, Direction, EventKind, PromiseStatus
from tests.domain.portfolios import Communication, DebtorWorld

GRACE_DAYS = 2
HUMAN_OPENS = (EventKind.OPENED, EventKind.CLICKED, EventKind.LANDED)


@dataclass(frozen=True)
class State:
    debtor: DebtorWorld
    segment_key: str
    days_past_due: int
    balances: dict[str, Decimal]
    products: frozenset[str]
    statuses: frozenset[PromiseStatus]
    channels: frozenset[Channel]
    last_contacted_at: datetime | None


def state(debtor: DebtorWorld, at: datetime, known: datetime, segment_key: str = "NONE") -> State:
    """At `at`, by the facts up to `known`."""
    today = local_date(at, debtor.time_zone)
    open_now = {name: a for name, a in debtor.accounts.items() if a.is_open(today)}
    contacted = [c.sent_at for c in debtor.communications if c.direction == "OUTBOUND" and c.sent_at <= known]
    past_due = [
        (today - a.due_on).days for a in open_now.values() if a.balance(known) > 0 and today > a.due_on
    ]
    assert known < at or max(past_due, default=0) == days_past_due(
        debtor.accounts.values(), at, debtor.time_zone
    )
    balances: dict[str, Decimal] = {}
    for account in open_now.values():
        balances[account.currency] = balances.get(account.currency, Decimal(0)) + account.balance(known)
    assert known < at or balances == open_balances(debtor.accounts.values(), at, debtor.time_zone)
    return State(
        debtor,
        segment_key,
        max(past_due, default=0),
        balances,
        frozenset(debtor.products[name] for name in open_now),
        frozenset(
            promise_status(promise, outcome, at)
            for _, promise, outcome in settled(debtor, known, until=known)
        ),
        usable_channels(debtor, known),
        max(contacted, default=None),
    )


def settled(
    debtor: DebtorWorld, as_of: datetime, *, until: datetime | None = None
) -> list[tuple[str, Promise, Settlement]]:
    """(reference, promise, settlement) of all promises, or of those made up to `until`."""
    found = []
    for name, account in debtor.accounts.items():
        made = [
            Promise(p.reference, p.amount, p.promised_at, deadline(p.due_on, debtor.time_zone, GRACE_DAYS))
            for p in debtor.promises
            if p.account == name and (until is None or p.promised_at <= until)
        ]
        outcomes = settle(made, account.payments, as_of=as_of)
        found += [(p.reference, p, outcome) for p, outcome in zip(made, outcomes, strict=True)]
    return found


def attributed(debtor: DebtorWorld) -> dict[str, str | None]:
    """Payment reference → communication reference."""
    sent = {c.reference: c for c in debtor.communications}
    engagements = [
        Engagement(
            e.kind,
            e.occurred_at,
            e.automated,
            e.communication,
            sent[e.communication].direction if e.communication else None,
            sent[e.communication].sent_at if e.communication else None,
        )
        for e in debtor.events
    ]
    return {
        payment.reference: attribute(payment.paid_at, debtor.causes.get(payment.reference), engagements)
        for _, payment in debtor.payments
    }


def without_segment(debtor: DebtorWorld) -> DebtorWorld:
    """The debtor without a key of its own, so that rules decide."""
    return replace(debtor, segment=None)


def usable_channels(debtor: DebtorWorld, known: datetime) -> frozenset[Channel]:
    own = {"EMAIL": debtor.email, "SMS": debtor.phone, "WHATSAPP": debtor.phone, "VOICE": debtor.phone}
    points = {(Channel(channel), address) for channel, address in own.items() if address}
    points |= {(p.channel, p.address) for p in debtor.contact_points}
    usable = set()
    for channel in {channel for channel, _ in points}:
        heard = [
            c
            for c in debtor.communications
            if c.channel is channel and c.direction is Direction.OUTBOUND and c.sent_at <= known
        ]
        mine = [p for p in debtor.contact_points if p.channel is channel]
        bounced = [c for c in heard if _outcome(debtor, c, known) == "BOUNCED"]
        arrived = [c.sent_at for c in heard if _outcome(debtor, c, known) == "DELIVERED"]
        if bounced and (not arrived or max(arrived) < max(c.sent_at for c in bounced)):
            returned = max(_bounced_at(debtor, c) for c in bounced)
            proven = [p.verified_at for p in mine if p.verified_at is not None and p.verified_at <= known]
            if not any(verified > returned for verified in proven):
                continue
        refusals = [p.opted_out_at for p in mine] + _left(debtor, channel)
        refused = max((r for r in refusals if r is not None and r <= known), default=None)
        consents = [p.consented_at for p in mine if p.consented_at is not None and p.consented_at <= known]
        if refused and not any(consented > refused for consented in consents):
            continue
        usable.add(channel)
    return frozenset(usable)


def _left(debtor: DebtorWorld, channel: Channel) -> list[datetime | None]:
    """When the debtor left a channel or complained: by a message of it, either way, or by naming none."""
    channels = {c.reference: c.channel for c in debtor.communications}
    return [
        e.occurred_at
        for e in debtor.events
        if e.kind in (EventKind.UNSUBSCRIBED, EventKind.COMPLAINED)
        and (e.communication is None or channels[e.communication] is channel)
    ]


def _bounced_at(debtor: DebtorWorld, sent: Communication) -> datetime:
    return min(
        e.occurred_at
        for e in debtor.events
        if e.communication == sent.reference and e.kind is EventKind.BOUNCED_HARD
    )


def _outcome(debtor: DebtorWorld, sent: Communication, known: datetime) -> str:
    events = [e for e in debtor.events if e.communication == sent.reference and e.occurred_at <= known]
    kinds = {e.kind for e in events if not e.automated or e.kind not in (*HUMAN_OPENS, EventKind.REPLIED)}
    if kinds & {*HUMAN_OPENS, EventKind.REPLIED, EventKind.RIGHT_PARTY_CONTACTED}:
        return "DELIVERED"
    if EventKind.BOUNCED_HARD in kinds:
        return "BOUNCED"
    posted = sent.channel is Channel.LETTER and EventKind.BOUNCED_SOFT not in kinds
    return "DELIVERED" if EventKind.DELIVERED in kinds or posted else "NEITHER"


# ---------- filters ----------


def matches(where: DebtorWhere, state: State) -> bool:
    return (
        all(_leaf(field, given, state) for field, given in where.own_leaves())
        and all(matches(inner, state) for inner in where.and_ or ())
        and (where.or_ is None or any(matches(inner, state) for inner in where.or_))
        and (where.not_ is None or not matches(where.not_, state))
    )


def _leaf(field: str, given: Any, state: State) -> bool:
    debtor = state.debtor
    match field:
        case "name":
            return _text(debtor.name, given, fold=True)
        case "segment":
            return _text(state.segment_key, given)
        case "product":
            return any(_text(product, given) for product in state.products or [None])
        case "days_past_due":
            return _bounds(state.days_past_due, given)
        case "balance":
            return given.currency in state.balances and _bounds(state.balances[given.currency], given)
        case "last_contacted_at":
            return _bounds(state.last_contacted_at, given)
        case "promise_status":
            return bool(set(given) & state.statuses)
        case "reachable_by":
            return bool(set(given) & state.channels)
        case "attributes":
            return _attribute(debtor.attributes.get(given.key), given)
        case "customer_since":
            return _bounds(debtor.customer_since, given)
        case "birth_date":
            return _bounds(None, given)
        case "language":
            return _text(None, given)
    return _text(getattr(debtor, field), given)


def _text(value: str | None, given: Any, *, fold: bool = False) -> bool:
    if given.is_null is not None and (value is None) != given.is_null:
        return False
    if value is None:
        return given.eq is None and given.in_ is None and given.starts_with is None
    begins = value if not fold else value.lower()
    prefix = given.starts_with if not fold or given.starts_with is None else given.starts_with.lower()
    return (
        (given.eq is None or value == given.eq)
        and (given.in_ is None or value in given.in_)
        and (prefix is None or begins.startswith(prefix))
    )


def _bounds(value: Any, given: Any) -> bool:
    is_null = getattr(given, "is_null", None)
    if is_null is not None and (value is None) != is_null:
        return False
    named = {name: getattr(given, name, None) for name in ("eq", "lt", "lte", "gt", "gte")}
    stated = {name: bound for name, bound in named.items() if bound is not None}
    if value is None:
        return not stated
    compare = {
        "eq": value.__eq__,
        "lt": value.__lt__,
        "lte": value.__le__,
        "gt": value.__gt__,
        "gte": value.__ge__,
    }
    return all(compare[name](bound) is True for name, bound in stated.items())


def _attribute(value: Any, given: Any) -> bool:
    as_text = None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    if given.is_null is not None and (as_text is None) != given.is_null:
        return False
    if given.eq is not None and as_text != given.eq:
        return False
    if given.in_ is not None and as_text not in given.in_:
        return False
    if given.lt is None and given.gte is None:
        return True
    if as_text is None or not re.fullmatch(r"[0-9.]+", as_text):
        return False
    return (given.lt is None or Decimal(as_text) < given.lt) and (
        given.gte is None or Decimal(as_text) >= given.gte
    )


def oldest_due_on(debtor: DebtorWorld, now: datetime) -> date | None:
    today = local_date(now, debtor.time_zone)
    owed = [a.due_on for a in debtor.accounts.values() if a.is_open(today) and a.balance(now) > 0]
    return min(owed, default=None)
