"""Every table and column of a data set, declared once: files, mutations, staging and the user's page follow it.

Source: import-format.md.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from domain.currencies import CURRENCIES
from domain.import_format.kinds import Kind
from domain.import_format.numbers import Amount, Probability, Whole
from domain.import_format.texts import Shaped, Text, Truth, Word, Zone
from domain.import_format.times import Day, Instant, Month
from domain.rejections import RejectCode
from domain.time_zones import COUNTRIES
from domain.vocabulary import Channel, ContactRequestKind, Direction, EventKind, Source

#: What a custom attribute's column begins with.
ATTRIBUTE_PREFIX = "x_"

#: (row, column, code) of each row that contradicts itself.
Contradictions = Iterator[tuple[int, str, RejectCode]]


@dataclass(frozen=True)
class Column:
    """One column. `parent`: the table whose reference it holds. `in_files`: False when only the API sends it."""

    name: str
    kind: Kind
    required: bool = False
    parent: str | None = None
    in_files: bool = True


@dataclass(frozen=True)
class TableFormat:
    """One table: its columns in the order of the format, its key, and the rules a row must keep by itself.

    A rule takes the columns by name (typed values, None where empty, absent or bad) and names the rows that break it.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("reference",)
    rules: tuple[Callable[[Mapping[str, Sequence[Any]]], Contradictions], ...] = ()
    required_in_set: bool = False

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}


def _reference(name: str = "reference", *, required: bool = True, parent: str | None = None) -> Column:
    return Column(name, Text(255, reference=True), required, parent)


def _label(name: str, *, required: bool = False) -> Column:
    return Column(name, Text(255, reference=True), required)


def _currency(*, required: bool = True) -> Column:
    return Column(
        "currency", Word(CURRENCIES, RejectCode.UNKNOWN_CURRENCY, "an ISO 4217 code such as EUR"), required
    )


def _words(
    name: str,
    words: type[Channel | Direction | EventKind | Source | ContactRequestKind],
    *,
    required: bool = True,
) -> Column:
    return Column(name, Word(tuple(word.value for word in words)), required)


def _amount(name: str = "amount") -> Column:
    return Column(name, Amount(above_zero=True), required=True)


_COUNTRY = Word(COUNTRIES.keys(), RejectCode.UNKNOWN_COUNTRY, "an ISO 3166-1 alpha-2 code such as ES")
_REGION = Shaped("[A-Z]{2}-[A-Z0-9]{1,3}", RejectCode.INVALID_REGION, "an ISO 3166-2 code such as ES-MD")
_LANGUAGE = Shaped(
    "(?:[A-Za-z]{2,8}|[xXiI](?=-))(?:-[A-Za-z0-9]{1,8}){0,8}",
    RejectCode.INVALID_LANGUAGE,
    "a BCP 47 tag such as pt-BR",
)
_PHONE = Shaped(r"\+[1-9][0-9]{1,14}", RejectCode.INVALID_PHONE, "an E.164 number such as +34600000000")


def _in_order(start: str, end: str) -> Callable[[Mapping[str, Sequence[Any]]], Contradictions]:
    def check(columns: Mapping[str, Sequence[Any]]) -> Contradictions:
        for row, (first, last) in enumerate(zip(columns[start], columns[end], strict=True)):
            if last is not None and first is not None and last < first:
                yield row, end, RejectCode.ENDS_BEFORE_START

    return check


def _request_is_complete(columns: Mapping[str, Sequence[Any]]) -> Contradictions:
    names = ("kind", "from_hour", "to_hour", "until")
    for row, (kind, from_hour, to_hour, until) in enumerate(
        zip(*(columns[name] for name in names), strict=True)
    ):
        if kind == ContactRequestKind.ONLY_BETWEEN:
            if from_hour is None:
                yield row, "from_hour", RejectCode.MISSING
            elif to_hour is None:
                yield row, "to_hour", RejectCode.MISSING
            elif from_hour == to_hour:
                yield row, "to_hour", RejectCode.EMPTY_WINDOW
        elif kind == ContactRequestKind.NOT_BEFORE and until is None:
            yield row, "until", RejectCode.MISSING


_DEBTORS = TableFormat(
    "debtors",
    (
        _reference(),
        Column("name", Text(500), required=True),
        Column("email", Text(320, reference=True)),
        Column("phone", _PHONE),
        Column("postal_address", Text(2000)),
        Column("country", _COUNTRY, required=True),
        Column("region", _REGION),
        Column("language", _LANGUAGE),
        Column("time_zone", Zone()),
        Column("birth_date", Day()),
        Column("customer_since", Day()),
        _label("segment"),
    ),
    required_in_set=True,
)

_ACCOUNTS = TableFormat(
    "accounts",
    (
        _reference(),
        _reference("debtor", parent="debtors"),
        _label("product", required=True),
        _currency(),
        _amount("principal"),
        Column("opened_on", Day(), required=True),
        Column("due_on", Day(), required=True),
        Column("closed_on", Day(open_ended=True)),
        _reference("agent", required=False, parent="agents"),
    ),
    rules=(_in_order("opened_on", "closed_on"),),
    required_in_set=True,
)

_AGENTS = TableFormat(
    "agents",
    (
        _reference(),
        Column("name", Text(500), required=True),
        _label("team"),
        Column("active_from", Day(), required=True),
        Column("active_to", Day(open_ended=True)),
    ),
    rules=(_in_order("active_from", "active_to"),),
)

_COMMUNICATIONS = TableFormat(
    "communications",
    (
        _reference(),
        _reference("debtor", parent="debtors"),
        _reference("account", required=False, parent="accounts"),
        _words("channel", Channel),
        _words("direction", Direction),
        _label("template"),
        _label("campaign"),
        _reference("agent", required=False, parent="agents"),
        Column("sent_at", Instant(), required=True),
        Column("cost", Amount(from_zero=True)),
        _currency(required=False),
        Column("propensity", Probability()),
        Column("decision_id", Whole(1, 2**63 - 1), parent="decisions", in_files=False),
    ),
)

_EVENTS = TableFormat(
    "events",
    (
        _reference(),
        _reference("debtor", parent="debtors"),
        _reference("communication", required=False, parent="communications"),
        _words("kind", EventKind),
        Column("occurred_at", Instant(), required=True),
        _words("source", Source, required=False),
        Column("automated", Truth()),
        Column("detail", Text(10_000)),
    ),
)

_PAYMENTS = TableFormat(
    "payments",
    (
        _reference(),
        _reference("account", parent="accounts"),
        _amount(),
        _currency(),
        Column("paid_at", Instant(), required=True),
        _reference("communication", required=False, parent="communications"),
        _label("method"),
        Column("reversed_at", Instant()),
    ),
)

_PROMISES = TableFormat(
    "promises",
    (
        _reference(),
        _reference("account", parent="accounts"),
        _amount(),
        _currency(),
        Column("promised_at", Instant(), required=True),
        Column("due_on", Day(), required=True),
        _words("direction", Direction),
        _reference("agent", required=False, parent="agents"),
        _reference("communication", required=False, parent="communications"),
    ),
)

_CONTACT_POINTS = TableFormat(
    "contact_points",
    (
        _reference("debtor", parent="debtors"),
        _words("channel", Channel),
        Column("address", Text(500), required=True),
        Column("verified_at", Instant()),
        Column("consented_at", Instant()),
        Column("opted_out_at", Instant()),
    ),
    key=("debtor", "channel", "address"),
)

_CONTACT_REQUESTS = TableFormat(
    "contact_requests",
    (
        _reference(),
        _reference("debtor", parent="debtors"),
        _words("kind", ContactRequestKind),
        _words("channel", Channel, required=False),
        Column("from_hour", Whole(0, 24)),
        Column("to_hour", Whole(0, 24)),
        Column("until", Instant()),
        Column("made_at", Instant(), required=True),
    ),
    rules=(_request_is_complete,),
)

_TEMPLATES = TableFormat(
    "templates",
    (
        _reference(),
        _words("channel", Channel),
        Column("language", _LANGUAGE),
        _label("tone"),
        _label("incentive"),
        Column("subject", Text(2000)),
    ),
)

_EXCHANGE_RATES = TableFormat(
    "exchange_rates",
    (Column("date", Day(), required=True), _currency(), _amount("rate")),
    key=("date", "currency"),
)

_FINANCE = TableFormat(
    "finance",
    (
        Column("month", Month(), required=True),
        _currency(),
        *(Column(name, Amount()) for name in ("credit_sales", "receivables", "revenue", "operating_cost")),
    ),
    key=("month", "currency"),
)

#: Table name → its format, parents before children.
FORMAT: dict[str, TableFormat] = {
    table.name: table
    for table in (
        _AGENTS,
        _TEMPLATES,
        _EXCHANGE_RATES,
        _FINANCE,
        _DEBTORS,
        _ACCOUNTS,
        _CONTACT_POINTS,
        _CONTACT_REQUESTS,
        _COMMUNICATIONS,
        _EVENTS,
        _PAYMENTS,
        _PROMISES,
    )
}
