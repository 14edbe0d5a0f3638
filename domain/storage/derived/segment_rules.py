"""Segment rules compiled to SQL once: the distinct filters of all rules as columns, the rules as one CASE over them.

The statement around offers, per case (a debtor at an instant), the aliases `d` (its row of debtor), `k` (`at`, the
instant; `known`, the last instant whose facts count; `today`, the local date) and, from a LATERAL subquery, `s`:
aggregates over the spans `a` of its open accounts.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    DateTime,
    Integer,
    Numeric,
    Text,
    and_,
    false,
    literal_column,
    or_,
    text,
    true,
)
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql.visitors import ExternallyTraversible, replacement_traverse

from domain.debtor_where import Leaf
from domain.filters import IntFilter, MoneyFilter, StringFilter
from domain.segments import NO_SEGMENT, SegmentRule, read_segment_rules
from domain.storage.debtor_filter import (
    MOST_DAYS,
    Condition,
    condition,
    days_range,
    holds_for_missing,
    leaf_condition,
    promise_condition,
    range_condition,
    reached_by,
    text_condition,
)
from domain.storage.tables import debtor
from domain.storage.usable_channels import usable_channels
from domain.vocabulary import Channel, PromiseStatus

# No driver's dialect: values are bound by name, without casts.
_DIALECT = PGDialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped

_KNOWN_DUE_ON = "min(a.due_on) FILTER (WHERE a.balance > 0 AND a.owed_from <= k.known)"
_LAST_CONTACTED_AT = (
    "(SELECT max(c.sent_at) FROM communication c WHERE c.tenant_id = d.tenant_id AND c.debtor_id = d.id"
    " AND c.direction = 'OUTBOUND' AND c.sent_at <= k.known)"
)


@dataclass(frozen=True)
class SegmentProgram:
    """Rules as SQL. `account_columns` belong over `a`, `filter_columns` beside it, `segment_key` over both.

    binds: the values of their parameters. day_borders: days past due at which a rule's answer may change.
    needs: fields of DebtorWhere that rules look at.
    """

    account_columns: tuple[str, ...]
    filter_columns: tuple[str, ...]
    segment_key: str
    binds: dict[str, Any]
    day_borders: tuple[int, ...]
    needs: frozenset[str]


@lru_cache(maxsize=256)
def segment_program(rules: str) -> SegmentProgram:
    """The program of an ordered list of SegmentInput, given as JSON text."""
    return _Compiler().compile(read_segment_rules(json.loads(rules)))


class _Compiler:
    """Collects columns and bound values while the rules are turned into text."""

    def __init__(self) -> None:
        self.binds: dict[str, Any] = {}
        self._names: dict[tuple[type, Any], str] = {}
        self.account_columns: dict[str, str] = {}
        self.filter_columns: dict[tuple[str, Leaf], tuple[str, str]] = {}

    def compile(self, rules: Sequence[SegmentRule]) -> SegmentProgram:
        whens = [
            f"WHEN {self.render(condition(rule.where, self.filter_column))} THEN {self.bind(rule.key)}"
            for rule in rules
        ]
        leaves = [leaf for rule in rules for leaf in rule.where.leaves()]
        borders = {
            border for _, given in leaves if isinstance(given, IntFilter) for border in _borders(given)
        }
        return SegmentProgram(
            account_columns=tuple(f"{sql} AS {name}" for sql, name in self.account_columns.items()),
            filter_columns=tuple(f"{sql} AS {name}" for sql, name in self.filter_columns.values()),
            segment_key=f"CASE WHEN own_key IS NOT NULL THEN own_key {' '.join(whens)} ELSE '{NO_SEGMENT}' END",
            binds=self.binds,
            day_borders=tuple(sorted(border for border in borders if 0 < border <= MOST_DAYS)),
            needs=frozenset(field for field, _ in leaves),
        )

    def filter_column(self, field: str, given: Leaf) -> Condition:
        """The column that holds a filter's answer; equal filters of several rules share one."""
        if (field, given) not in self.filter_columns:
            sql = self.render(leaf_condition(_Case(self), field, given))
            self.filter_columns[field, given] = (sql, f"f{len(self.filter_columns)}")
        return literal_column(self.filter_columns[field, given][1])

    def account_column(self, sql: str) -> str:
        return "s." + self.account_columns.setdefault(sql, f"a{len(self.account_columns)}")

    def render(self, expression: ColumnElement[Any]) -> str:
        """SQL text with parameters of our own in place of the bound values."""
        return str(replacement_traverse(expression, {}, self._parameter).compile(dialect=_DIALECT))

    def _parameter(self, element: ExternallyTraversible, **_: Any) -> ExternallyTraversible | None:
        if not isinstance(element, BindParameter):
            return None
        if element.expanding:
            return literal_column(f"({', '.join(map(self.bind, element.value or ())) or 'NULL'})")
        return literal_column(self.bind(element.value))

    def bind(self, value: Any) -> str:
        """The parameter that holds a value; equal values share one, so that equal filters read alike."""
        name = self._names.setdefault((type(value), value), f"rule_{len(self.binds)}")
        self.binds[name] = value
        return f":{name}"


class _Case:
    """A debtor at an instant, as the statement around offers it (`domain.storage.debtor_filter.Subject`)."""

    def __init__(self, compiler: _Compiler) -> None:
        self._compiler = compiler
        self._known = literal_column("k.known", DateTime(timezone=True))
        self._at = literal_column("k.at", DateTime(timezone=True))

    def column(self, name: str) -> ColumnElement[Any]:
        if name == "last_contacted_at":
            return literal_column(_LAST_CONTACTED_AT, DateTime(timezone=True))
        return literal_column(f"d.{name}", debtor.c[name].type)

    def days_past_due(self, given: IntFilter) -> Condition:
        due_on = self._compiler.account_column(_KNOWN_DUE_ON)
        days = literal_column(f"GREATEST(COALESCE(k.today - {due_on}, 0), 0)", Integer)
        least, most = days_range(given)
        return false() if least > most else days.between(least, most)

    def balance(self, given: MoneyFilter) -> Condition:
        currency = self._compiler.bind(given.currency)
        sql = f"sum(a.balance) FILTER (WHERE a.currency = {currency} AND a.owed_from <= k.known)"
        balance = literal_column(self._compiler.account_column(sql), Numeric)
        return and_(balance.is_not(None), range_condition(balance, given))

    def product(self, given: StringFilter) -> Condition:
        matches = self._compiler.render(text_condition(literal_column("a.product", Text), given))
        sql = f"bool_or({matches}) FILTER (WHERE a.owed_from <= k.known)"
        # Null without an open account.
        met: ColumnElement[Any] = literal_column(self._compiler.account_column(sql))
        return met.is_not(false()) if holds_for_missing(given) else met.is_(true())

    def promise_status(self, statuses: Sequence[PromiseStatus]) -> Condition:
        kept_at = literal_column("CASE WHEN p.kept_at <= k.known THEN p.kept_at END", DateTime(timezone=True))
        deadline = literal_column("p.deadline", DateTime(timezone=True))
        any_of = or_(
            false(),
            *(promise_condition(each, kept_at=kept_at, deadline=deadline, at=self._at) for each in statuses),
        )
        return literal_column(
            "EXISTS (SELECT FROM promise_span p WHERE p.debtor_id = d.id AND p.promised_at <= k.known"
            f" AND p.known_from <= k.known AND p.known_until > k.known AND ({self._compiler.render(any_of)}))"
        )

    def reachable_by(self, channels: Sequence[Channel]) -> Condition:
        usable = text(usable_channels(debtor="d", known="k.known"))
        return reached_by(usable.columns(literal_column("channel", Text)), channels)


def _borders(given: IntFilter) -> tuple[int, int]:
    """Days past due at which a filter begins and stops to hold."""
    least, most = days_range(given)
    return least, most + 1
