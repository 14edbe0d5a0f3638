"""`DebtorWhere` as a SQL condition: on debtors as they are stored now, or on any relation that offers their state.

`debtor_condition` is for lists; segment rules (`domain.storage.derived.segment_rules`) bring their own `Subject`, the
debtor as it stood at an instant. Text is compared exactly and in code point order, but for the `startsWith` of `name`,
which does not see case. A custom attribute is compared as text by `eq` and `in`, as a number by `lt` and `gte` (text
that is no number does not match). A filter on what is missing does not match; `not` is the plain opposite.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    Numeric,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
)

from domain.debtor_where import DebtorWhere, Leaf
from domain.filters import AttributeFilter, IntFilter, MoneyFilter, StringFilter
from domain.names import name_key
from domain.storage.tables import account, debtor, debtor_balance, promise
from domain.storage.usable_channels import usable_channels
from domain.vocabulary import Channel, PromiseStatus

Condition = ColumnElement[bool]

_NUMBER = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?\s*$"
MOST_DAYS = 700_000
"""More than any two dates are apart: no bound on days past due."""
_E4_RANGE = 2**63 - 1


class Subject(Protocol):
    """Where a debtor's state is found in a statement: its plain columns, and conditions on the rest."""

    def column(self, name: str) -> ColumnElement[Any]:
        """A column of the debtor's row, `segment_key` and `last_contacted_at` included."""

    def days_past_due(self, given: IntFilter) -> Condition:
        """On the most days past due over the debtor's open accounts."""

    def balance(self, given: MoneyFilter) -> Condition:
        """On the sum over the open accounts in one currency; not met without such an account."""

    def product(self, given: StringFilter) -> Condition:
        """On the product of any open account; missing without such an account."""

    def promise_status(self, statuses: Sequence[PromiseStatus]) -> Condition:
        """Whether any promise has any of the statuses."""

    def reachable_by(self, channels: Sequence[Channel]) -> Condition:
        """Whether any of the channels reaches the debtor (`usable_channels`)."""


def debtor_condition(where: DebtorWhere, *, now: datetime) -> Condition:
    """`where` on the table `debtor` as it stands now; the statement around selects from it and names its tenant.

    Exact as of the debtors' last derivation (`domain.storage.derived.catch_up` brings them up to `now`). Days past due
    are local to each debtor at `now`. Range conditions stand so that the indexes on `debtor`, `debtor_balance` and
    `account` can serve them under row-level security.
    """
    subject = StoredDebtor(now)
    return condition(where, lambda field, given: leaf_condition(subject, field, given))


def condition(where: DebtorWhere, leaf: Callable[[str, Leaf], Condition]) -> Condition:
    """All that `where` states, with `leaf(field, filter)` as the condition of each filter."""
    parts = [leaf(field, given) for field, given in where.own_leaves()]
    parts += [condition(inner, leaf) for inner in where.and_ or ()]
    if where.or_ is not None:
        parts.append(or_(false(), *(condition(inner, leaf) for inner in where.or_)))
    if where.not_ is not None:
        # A null (what the debtor lacks) is no match, so its opposite is one; and, or keep that by themselves.
        parts.append(condition(where.not_, leaf).is_not(true()))
    return and_(true(), *parts)


def leaf_condition(subject: Subject, field: str, given: Any) -> Condition:
    """The condition of one filter of a `DebtorWhere` on a subject."""
    match field:
        case "name":
            return _named(subject, given)
        case "segment":
            return text_condition(subject.column("segment_key"), given)
        case "attributes":
            return _attribute(subject.column("attributes"), given)
        case "last_contacted_at" | "customer_since" | "birth_date":
            return _between(subject.column(field), given)
        case "days_past_due" | "balance" | "product" | "promise_status" | "reachable_by":
            found: Condition = getattr(subject, field)(given)
            return found
        case _:
            return text_condition(subject.column(field), given)


def text_condition(column: ColumnElement[Any], given: StringFilter) -> Condition:
    """A StringFilter on a C-collated text column; a prefix is a range, which an index can serve."""
    parts: list[Condition] = []
    if given.eq is not None:
        parts.append(column == given.eq)
    if given.in_ is not None:
        parts.append(column.in_(given.in_))
    if given.starts_with is not None:
        parts.append(_prefixed(column, given.starts_with))
    if given.is_null is not None:
        parts.append(column.is_(None) if given.is_null else column.is_not(None))
    return and_(true(), *parts)


def holds_for_missing(given: StringFilter) -> bool:
    """Whether a StringFilter holds where there is no value."""
    compared = (given.eq, given.in_, given.starts_with)
    return given.is_null is not False and all(value is None for value in compared)


def _prefixed(column: ColumnElement[Any], prefix: str) -> Condition:
    after = _after_prefix(prefix)
    from_it = column >= prefix
    return from_it if after is None else and_(from_it, column < after)


def _after_prefix(prefix: str) -> str | None:
    """The least text, in code point order, above all that begin with `prefix`; None when there is none."""
    for at in range(len(prefix) - 1, -1, -1):
        following = ord(prefix[at]) + 1
        if 0xD800 <= following <= 0xDFFF:  # surrogates are no characters
            following = 0xE000
        if following <= 0x10FFFF:
            return prefix[:at] + chr(following)
    return None


def _named(subject: Subject, given: StringFilter) -> Condition:
    name, key = subject.column("name"), subject.column("name_key")
    parts: list[Condition] = []
    if given.eq is not None:
        parts.append(and_(key == name_key(given.eq), name == given.eq))
    if given.in_ is not None:
        parts.append(and_(key.in_([name_key(one) for one in given.in_]), name.in_(given.in_)))
    if given.starts_with is not None:
        parts.append(_prefixed(key, name_key(given.starts_with)))
    if given.is_null is not None:
        parts.append(false() if given.is_null else true())
    return and_(true(), *parts)


def _attribute(attributes: ColumnElement[Any], given: AttributeFilter) -> Condition:
    value: ColumnElement[str] = attributes.op("->>", return_type=Text())(cast(given.key, Text))
    as_number = case((value.regexp_match(_NUMBER), cast(value, Numeric)))
    parts: list[Condition] = []
    if given.eq is not None:
        parts.append(value == given.eq)
    if given.in_ is not None:
        parts.append(value.in_(given.in_))
    if given.lt is not None:
        parts.append(as_number < given.lt)
    if given.gte is not None:
        parts.append(as_number >= given.gte)
    if given.is_null is not None:
        parts.append(value.is_(None) if given.is_null else value.is_not(None))
    return and_(true(), *parts)


def _between(column: ColumnElement[Any], given: Any) -> Condition:
    """The bounds of a DateFilter, DateTimeFilter or MoneyFilter on a column."""
    parts: list[Condition] = []
    if getattr(given, "eq", None) is not None:
        parts.append(column == given.eq)
    if given.lt is not None:
        parts.append(column < given.lt)
    if given.lte is not None:
        parts.append(column <= given.lte)
    if given.gt is not None:
        parts.append(column > given.gt)
    if given.gte is not None:
        parts.append(column >= given.gte)
    is_null = getattr(given, "is_null", None)
    if is_null is not None:
        parts.append(column.is_(None) if is_null else column.is_not(None))
    return and_(true(), *parts)


def money_condition(column: ColumnElement[Any], given: MoneyFilter) -> Condition:
    """The bounds of a MoneyFilter on an amount in its currency."""
    return _between(column, given)


def days_range(given: IntFilter) -> tuple[int, int]:
    """The least and the most days past due that meet a filter; least > most when none do."""
    least, most = 0, MOST_DAYS
    for bound, offset in ((given.gte, 0), (given.eq, 0), (given.gt, 1)):
        least = max(least, least if bound is None else bound + offset)
    for bound, offset in ((given.lte, 0), (given.eq, 0), (given.lt, -1)):
        most = min(most, most if bound is None else bound + offset)
    return least, most


def local_date(zone: ColumnElement[Any], instant: ColumnElement[Any]) -> ColumnElement[date]:
    """The calendar date at an instant in a time zone."""
    return cast(func.timezone(zone, instant), Date)


def promise_condition(
    status: PromiseStatus,
    *,
    kept_at: ColumnElement[Any],
    deadline: ColumnElement[Any],
    at: ColumnElement[Any],
) -> Condition:
    """Whether a promise has a status at an instant; `kept_at` as known then. Source: kpis.md, State of accounts."""
    if status is PromiseStatus.KEPT:
        return kept_at.is_not(None)
    return and_(kept_at.is_(None), deadline <= at if status is PromiseStatus.BROKEN else deadline > at)


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
        exact = money_condition(row.balance, given)
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


def reached_by(usable: Any, channels: Sequence[Channel]) -> Condition:
    """Whether a selection of channels holds any of those given."""
    found = usable.subquery("usable")
    return exists(select(1).select_from(found).where(found.c.channel.in_([each.value for each in channels])))


def balance_e4(amount: Decimal) -> int:
    """An amount in ten-thousandths, rounded down, within 64 bits: as `debtor_balance.balance_e4` holds it."""
    return max(-_E4_RANGE, min(_E4_RANGE, int((amount * 10_000).to_integral_value(rounding="ROUND_FLOOR"))))
