"""`DebtorWhere` as a SQL condition on any `Subject`, a relation that offers the state of debtors.

That of lists is the debtor as stored now (`domain.storage.stored_debtor`), that of segment rules
(`domain.storage.derived.segment_rules`) the debtor as it stood at an instant. Text is compared exactly, in code point
order, but for the `startsWith` of `name`, which does not see case. A custom attribute is compared as text by `eq` and
`in`, as a number by `lt` and `gte` (text that is no number does not match). A filter on what is missing does not match;
`not` is the plain opposite.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    Date,
    Numeric,
    Text,
    and_,
    case,
    cast,
    exists,
    false,
    func,
    or_,
    select,
    true,
)

from domain.debtor_where import DebtorWhere, Leaf
from domain.filters import (
    AttributeFilter,
    DateFilter,
    DateTimeFilter,
    IntFilter,
    MoneyFilter,
    StringFilter,
)
from domain.names import name_key
from domain.vocabulary import Channel, PromiseStatus

Condition = ColumnElement[bool]

_NUMBER = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?\s*$"
MOST_DAYS = 700_000
"""More than any two dates are apart: no bound on days past due."""


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
            return range_condition(subject.column(field), given)
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


def range_condition(
    column: ColumnElement[Any], given: DateFilter | DateTimeFilter | MoneyFilter
) -> Condition:
    """A column of dates, instants or amounts in the filter's currency against bounds; null is within none."""
    compared = {
        "eq": column.__eq__,
        "lt": column.__lt__,
        "lte": column.__le__,
        "gt": column.__gt__,
        "gte": column.__ge__,
    }
    bounds = {name: getattr(given, name, None) for name in compared}
    parts = [compared[name](bound) for name, bound in bounds.items() if bound is not None]
    is_null = getattr(given, "is_null", None)
    if is_null is not None:
        parts.append(column.is_(None) if is_null else column.is_not(None))
    return and_(true(), *parts)


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


def reached_by(usable: Any, channels: Sequence[Channel]) -> Condition:
    """Whether a selection of channels holds any of those given."""
    found = usable.subquery("usable")
    return exists(select(1).select_from(found).where(found.c.channel.in_([each.value for each in channels])))
