"""The frames that pass between the rooms: what was known at an instant, in polars.

`Facts` are raw tables as in import-format.md, `History` is the joined, typed view the learning core
works on. Storage exports a `History` from SQL (integer keys), `History.from_facts` builds the same from
raw facts (reference keys) for benches and tests. Keys are opaque: code on either side must work with
String and Int64 keys alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import polars as pl

from domain.communications import FUNNEL_INSTANTS

Facts = dict[str, pl.DataFrame]

INSTANT = pl.Datetime("us", "UTC")
_TEXT = pl.String()
_DATE = pl.Date()
_MONEY = pl.Float64()

KEY = None
"""Marks a key column in the schemas below: String or Int64, whatever the exporter uses, the same in
every frame."""

SCHEMAS: dict[str, dict[str, pl.DataType | None]] = {
    "debtors": {
        "debtor": KEY,
        "reference": _TEXT,
        "country": _TEXT,
        "region": _TEXT,
        "language": _TEXT,
        "time_zone": _TEXT,
        "birth_date": _DATE,
        "customer_since": _DATE,
        "segment": _TEXT,
        "channels": pl.List(pl.String()),
    },
    "accounts": {
        "account": KEY,
        "debtor": KEY,
        "product": _TEXT,
        "currency": _TEXT,
        "principal": _MONEY,
        "opened_on": _DATE,
        "due_on": _DATE,
        "closed_on": _DATE,
    },
    "communications": {
        "communication": KEY,
        "debtor": KEY,
        "account": KEY,
        "channel": _TEXT,
        "direction": _TEXT,
        "template": _TEXT,
        "campaign": _TEXT,
        "sent_at": INSTANT,
        "cost": _MONEY,
        "currency": _TEXT,
        "propensity": _MONEY,
        "segment": _TEXT,
        **dict.fromkeys(FUNNEL_INSTANTS, INSTANT),
    },
    "payments": {
        "payment": KEY,
        "account": KEY,
        "debtor": KEY,
        "amount": _MONEY,
        "currency": _TEXT,
        "paid_at": INSTANT,
        "reversed_at": INSTANT,
        "communication": KEY,
    },
    "promises": {
        "promise": KEY,
        "account": KEY,
        "debtor": KEY,
        "amount": _MONEY,
        "currency": _TEXT,
        "promised_at": INSTANT,
        "due_on": _DATE,
        "direction": _TEXT,
        "communication": KEY,
        "deadline": INSTANT,
        "kept_at": INSTANT,
    },
    "templates": {
        "reference": _TEXT,
        "channel": _TEXT,
        "language": _TEXT,
        "tone": _TEXT,
        "incentive": _TEXT,
        "subject": _TEXT,
    },
    "finance": {
        "month": _DATE,
        "currency": _TEXT,
        "credit_sales": _MONEY,
        "receivables": _MONEY,
    },
}
"""Columns and types of each frame of a `History`; columns named `x_…` (String or Float64) may follow."""

_REQUIRED = {
    "debtors": ("debtor", "time_zone", "segment", "channels"),
    "accounts": ("account", "debtor", "currency", "principal", "due_on"),
    "communications": ("communication", "debtor", "channel", "direction", "sent_at"),
    "payments": ("payment", "account", "debtor", "amount", "currency", "paid_at"),
    "promises": ("promise", "account", "debtor", "amount", "currency", "promised_at", "due_on"),
    "templates": ("reference",),
    "finance": ("month", "currency"),
}
_KEY_HOME = {
    "debtor": "debtors",
    "account": "accounts",
    "communication": "communications",
    "payment": "payments",
    "promise": "promises",
}
_ORDER = {
    "account": ("accounts", ("place", "opened_on", "due_on", "principal", "product", "currency")),
    "communication": ("communications", ("sent_at", "place", "channel", "template")),
    "payment": ("payments", ("paid_at", "place", "amount", "currency")),
    "promise": ("promises", ("promised_at", "place", "due_on", "amount")),
}
"""Key → its table, and what its rows are ordered by; place: of the debtor, in the order of references."""


class HistoryError(ValueError):
    """A frame lacks a column or holds a type that cannot be read; the message names frame, column and
    remedy."""


def empty_frame(table: str, key: pl.DataType | None = None) -> pl.DataFrame:
    """A frame of `table` with no rows and every column of `SCHEMAS[table]`; `key` is the type of its key
    columns (String)."""
    return pl.DataFrame(schema={name: dtype or key or _TEXT for name, dtype in SCHEMAS[table].items()})


@dataclass(frozen=True)
class History:
    """What was known at `as_of`. Instants are UTC, money Float64 in the row's own currency.

    rates: units of the tenant's `currency` for one unit of the key's, latest as of `as_of`; empty when
    unknown.
    debtors: one row each, `channels` being those with a usable address; `segment` as of now.
    communications: OUTBOUND and INBOUND with `sent_at <= as_of`, `segment` as of `sent_at`, funnel
    instants per `FUNNEL_INSTANTS`.
    payments: `paid_at <= as_of`; `reversed_at` null unless known; `communication` by the attribution
    rule of kpis.md.
    promises: `deadline` after which an unfilled one is broken, `kept_at` when payments filled it, or null.
    finance: the creditor's books of the calendar months that were over at `as_of`; `month` is its first day,
    `receivables` those at its end. Missing optional columns are added as null and convertible types cast, so an
    exporter may leave out what it does not have.

    Raises HistoryError when a required column is missing or a column cannot be read as its type.
    """

    as_of: datetime
    currency: str
    debtors: pl.DataFrame
    accounts: pl.DataFrame
    communications: pl.DataFrame
    payments: pl.DataFrame
    promises: pl.DataFrame
    rates: Mapping[str, float] = field(default_factory=dict)
    templates: pl.DataFrame = field(default_factory=lambda: empty_frame("templates"))
    finance: pl.DataFrame = field(default_factory=lambda: empty_frame("finance"))

    def __post_init__(self) -> None:
        if self.as_of.tzinfo is None:
            raise HistoryError("as_of must be an aware instant; give it a time zone (UTC)")
        keys = {name: _key_type(getattr(self, table), table, name) for name, table in _KEY_HOME.items()}
        for table in SCHEMAS:
            object.__setattr__(self, table, _conform(getattr(self, table), table, keys))

    @classmethod
    def from_facts(cls, facts: Facts, *, as_of: datetime, currency: str | None = None) -> "History":
        """The history a data set holds at `as_of`, without a database.

        facts: raw tables, strings (as read from CSV) or typed. currency: the tenant's; default the
        accounts' most frequent one. Segment: the debtor's own key, else NONE. Source: import-format.md,
        kpis.md (delivered, attribution).
        """
        from ml.facts import history_from_facts  # noqa: PLC0415 - ml.facts builds on this module

        return history_from_facts(facts, as_of=as_of, currency=currency)

    @property
    def outbound(self) -> pl.DataFrame:
        """The OUTBOUND communications with a boolean `delivered` (kpis.md), in order of `sent_at`."""
        sent = self.communications.filter(pl.col("direction") == "OUTBOUND")
        return sent.with_columns(delivered=delivered_expression()).sort("sent_at", maintain_order=True)

    def in_order(self) -> "History":
        """The same rows in an order that neither keys nor arrival decide, but for rows alike in all of `_ORDER`.

        So what is learned from them depends on the facts and the seed alone.
        """
        debtors = self.debtors.sort("reference", "debtor")
        places = debtors.select("debtor", place=pl.int_range(pl.len(), dtype=pl.UInt32))
        ordered = {
            table: getattr(self, table)
            .join(places, on="debtor", how="left", maintain_order="left")
            .sort(*columns, key)
            .drop("place")
            for key, (table, columns) in _ORDER.items()
        }
        return replace(self, debtors=debtors, **ordered)

    def with_rates(self, rates: Mapping[str, float]) -> "History":
        """This history with other rates for currencies that it knows none of."""
        missing = {code: rate for code, rate in rates.items() if code not in (self.currency, *self.rates)}
        return replace(self, rates={**self.rates, **missing}) if missing else self

    def known_at(self, instant: datetime) -> "History":
        """This history as it was known at an earlier `instant`: later rows dropped, later outcomes
        forgotten.

        What a debtor's row says of now (segment, channels) stays as it is: facts keep no versions of it.
        """
        later_outcomes = [_forget(name, instant) for name in FUNNEL_INSTANTS]
        promises, payments = self.promises, self.payments
        return replace(
            self,
            as_of=instant,
            communications=self.communications.filter(pl.col("sent_at") <= instant).with_columns(
                later_outcomes
            ),
            payments=payments.filter(pl.col("paid_at") <= instant).with_columns(
                _forget("reversed_at", instant)
            ),
            promises=promises.filter(pl.col("promised_at") <= instant).with_columns(
                _forget("kept_at", instant)
            ),
            finance=self.finance.filter(month_is_over(instant)),
        )


def delivered_expression() -> pl.Expr:
    """Whether a communication counts as delivered, from its funnel instants. Source: kpis.md,
    `delivered`."""
    human = pl.any_horizontal(
        pl.col(name).is_not_null()
        for name in ("opened_at", "clicked_at", "landed_at", "replied_at", "right_party_contacted_at")
    )
    hard, soft = pl.col("bounced_hard_at").is_not_null(), pl.col("bounced_soft_at").is_not_null()
    posted = (pl.col("channel") == "LETTER") & ~hard & ~soft
    return human | (pl.col("delivered_at").is_not_null() & ~hard) | posted


def month_is_over(instant: datetime) -> pl.Expr:
    """Whether the calendar month that begins on `month` (UTC) has ended by an instant."""
    return pl.col("month").dt.offset_by("1mo") <= instant.astimezone(UTC).date()


def _forget(column: str, instant: datetime) -> pl.Expr:
    return pl.when(pl.col(column) <= instant).then(pl.col(column)).alias(column)


def _key_type(frame: pl.DataFrame, table: str, column: str) -> pl.DataType:
    if column not in frame.columns:
        raise HistoryError(f"{table}.{column} is missing: every row needs its key")
    dtype = frame.schema[column]
    return _TEXT if dtype == pl.Null else dtype


def _conform(frame: pl.DataFrame, table: str, keys: Mapping[str, pl.DataType]) -> pl.DataFrame:
    missing = [name for name in _REQUIRED[table] if name not in frame.columns]
    if missing:
        raise HistoryError(f"{table} lacks the column(s) {', '.join(missing)}")
    columns = []
    for name, dtype in SCHEMAS[table].items():
        wanted = keys[name] if dtype is None else dtype
        source = pl.col(name) if name in frame.columns else pl.lit(None)
        columns.append(source.cast(wanted).alias(name))
    columns += [_attribute(frame, name) for name in frame.columns if name.startswith("x_")]
    try:
        return frame.select(columns)
    except pl.exceptions.PolarsError as error:
        raise HistoryError(f"{table} holds a value that cannot be read as its type: {error}") from error


def _attribute(frame: pl.DataFrame, name: str) -> pl.Expr:
    dtype = frame.schema[name]
    return pl.col(name).cast(pl.Float64() if dtype.is_numeric() or dtype == pl.Boolean else _TEXT)
