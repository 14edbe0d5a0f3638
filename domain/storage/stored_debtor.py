"""Debtors as they are stored now, to be filtered: the `Subject` of lists and campaigns."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Text,
    and_,
    bindparam,
    exists,
    false,
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
)

from domain.debtor_where import DebtorWhere
from domain.filters import IntFilter, MoneyFilter, StringFilter
from domain.storage.debtor_filter import (
    MOST_DAYS,
    Condition,
    condition,
    days_range,
    holds_for_missing,
    leaf_condition,
    local_date,
    promise_condition,
    range_condition,
    reached_by,
    text_condition,
)
from domain.storage.tables import account, debtor, debtor_balance, promise
from domain.storage.usable_channels import usable_channels
from domain.vocabulary import Channel, PromiseStatus

_E4_RANGE = 2**63 - 1


def debtor_condition(where: DebtorWhere, *, now: datetime) -> Condition:
    """`where` on the table `debtor` as it stands now; the statement around selects from it and names its tenant.

    Exact as of the debtors' last derivation (`domain.storage.derived.catch_up` brings them up to `now`). Days past due
    are local to each debtor at `now`. Range conditions stand so that the indexes on `debtor`, `debtor_balance` and
    `account` can serve them under row-level security.
    """
    subject = StoredDebtor(now)
    return condition(where, lambda field, given: leaf_condition(subject, field, given))


class StoredDebtor:
    """A row of `debtor` and what is derived beside it, at `now`."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._instant = bindparam("filter_now", now, type_=DateTime(timezone=True))
        self._today = local_date(debtor.c.time_zone, self._instant)

    def column(self, name: str) -> ColumnElement[Any]:
        """A column of `debtor`."""
        return debtor.c[name]

    def days_past_due(self, given: IntFilter) -> Condition:
        """By `oldest_due_on`: a range over all time zones for the index, then the debtor's own date."""
        least, most = days_range(given)
        if least > most:
            return false()
        due_on = debtor.c.oldest_due_on
        parts: list[Condition] = []
        if least > 0:
            parts += [due_on <= self._days_before(14, least), due_on <= self._today - literal(least, Integer)]
        if most < MOST_DAYS:
            recent = and_(
                due_on >= self._days_before(-12, most), due_on >= self._today - literal(most, Integer)
            )
            parts.append(recent if least > 0 else or_(due_on.is_(None), recent))
        return and_(true(), *parts)

    def _days_before(self, offset_hours: int, days: int) -> date:
        there = (self._now.astimezone(UTC) + timedelta(hours=offset_hours)).date()
        return there - timedelta(days=min(days, (there - date.min).days))

    def balance(self, given: MoneyFilter) -> Condition:
        """By `balance_e4` for the index, then exactly."""
        row = debtor_balance.c
        own = and_(row.tenant_id == debtor.c.tenant_id, row.debtor_id == debtor.c.id)
        bounds: list[Condition] = []
        for least in (given.gt, given.gte):
            if least is not None:
                bounds.append(row.balance_e4 >= literal(balance_e4(least), BigInteger))
        for most in (given.lt, given.lte):
            if most is not None:
                bounds.append(row.balance_e4 <= literal(balance_e4(most), BigInteger))
        exact = range_condition(row.balance, given)
        return exists(select(1).where(own, row.currency == given.currency, *bounds, exact))

    def product(self, given: StringFilter) -> Condition:
        """By the accounts open today."""
        row = account.c
        open_today = and_(
            row.opened_on <= self._today, or_(row.closed_on.is_(None), row.closed_on > self._today)
        )
        own = and_(row.tenant_id == debtor.c.tenant_id, row.debtor_id == debtor.c.id)
        found = exists(select(1).where(own, open_today, text_condition(row.product, given)))
        return or_(found, ~exists(select(1).where(own, open_today))) if holds_for_missing(given) else found

    def promise_status(self, statuses: Sequence[PromiseStatus]) -> Condition:
        """By the settlement stored with each promise."""
        row = promise.c
        own = and_(row.tenant_id == debtor.c.tenant_id, row.debtor_id == debtor.c.id)
        any_of = [
            promise_condition(status, kept_at=row.kept_at, deadline=row.deadline, at=self._instant)
            for status in statuses
        ]
        return exists(select(1).where(own, row.promised_at <= self._instant, or_(false(), *any_of)))

    def reachable_by(self, channels: Sequence[Channel]) -> Condition:
        """By addresses, refusals and bounces known now."""
        usable = text(usable_channels(debtor="debtor", known=":filter_now")).bindparams(self._instant)
        return reached_by(usable.columns(literal_column("channel", Text)), channels)


def balance_e4(amount: Decimal) -> int:
    """An amount in ten-thousandths, rounded down, within 64 bits: as `debtor_balance.balance_e4` holds it."""
    return max(-_E4_RANGE, min(_E4_RANGE, int((amount * 10_000).to_integral_value(rounding="ROUND_FLOOR"))))
