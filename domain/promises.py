"""How payments fill an account's promises to pay, and how a promise stands at an instant.

Source: kpis.md, State of accounts and promises.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from domain.accounts import Payment
from domain.local_days import start_of_day
from domain.vocabulary import PromiseStatus


@dataclass(frozen=True)
class Promise:
    """A promise on an account, in the account's currency; `deadline` is when it breaks unless filled."""

    reference: str
    amount: Decimal
    promised_at: datetime
    deadline: datetime


@dataclass(frozen=True)
class Settlement:
    """What a promise received: `filled` money, and `kept_at` when that reached its amount (null: not yet, or never)."""

    filled: Decimal = Decimal(0)
    kept_at: datetime | None = None


def deadline(due_on: date, time_zone: str, grace_days: int) -> datetime:
    """The start of the local day after `due_on` and the days of grace: from then on an unfilled promise is broken."""
    return start_of_day(due_on + timedelta(days=grace_days + 1), time_zone)


def settle(promises: Sequence[Promise], payments: Iterable[Payment], *, as_of: datetime) -> list[Settlement]:
    """How the payments known and unreversed at `as_of` fill the promises of one account, in the promises' order.

    Payments go in order of `paid_at`, then reference. Each fills the promises that are open when it is paid
    (`promised_at <= paid_at` < deadline, not filled), oldest `promised_at` first (then reference); what is left over
    flows to the next. What an unkept promise took stays with it. A payment reversed by `as_of` never happened.
    """
    filled = [Decimal(0)] * len(promises)
    kept_at: list[datetime | None] = [None] * len(promises)
    oldest_first = sorted(
        range(len(promises)), key=lambda i: (promises[i].promised_at, promises[i].reference)
    )
    counting = sorted(
        (payment for payment in payments if payment.counts_at(as_of)), key=lambda p: (p.paid_at, p.reference)
    )
    for payment in counting:
        left = payment.amount
        for i in oldest_first:
            promise = promises[i]
            if left <= 0 or promise.promised_at > payment.paid_at:
                break
            if kept_at[i] is not None or payment.paid_at >= promise.deadline:
                continue
            taken = min(left, promise.amount - filled[i])
            filled[i] += taken
            left -= taken
            if filled[i] >= promise.amount:
                kept_at[i] = payment.paid_at
    return [Settlement(*outcome) for outcome in zip(filled, kept_at, strict=True)]


def promise_status(promise: Promise, settlement: Settlement, instant: datetime) -> PromiseStatus:
    """KEPT when filled, BROKEN from its deadline on, PENDING before; `settlement` is as of `instant`."""
    if settlement.kept_at is not None and settlement.kept_at <= instant:
        return PromiseStatus.KEPT
    return PromiseStatus.BROKEN if promise.deadline <= instant else PromiseStatus.PENDING
