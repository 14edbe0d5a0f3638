"""What a forecast learns from, counted: of a whole portfolio, or of parts of it that are added up.

Counts take the memory of days, segments and channels; only how long each opened message waited is kept one by one,
since medians do not add up.
"""

import hashlib
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from functools import cached_property

import polars as pl

from ml.frames import History
from ml.sums import sums_in_order

LONGEST_LAG = 30
"""Days after which an outcome is no longer waited for."""
LONGEST_SILENCE = 366
"""Days. What lies before a longer one is another time, or a date wrong by decades: nothing is learned from it."""
_CELL = ("day", "segment", "channel")
_COUNT = pl.len().cast(pl.Float64)
_MOST_DAYS = 2**15 - 1
"""Facts of any two dates are taken, centuries apart by mistake; beyond this it makes no difference how far."""


@dataclass(frozen=True)
class Tally:
    """Facts known at `as_of`; messages and promises are those made on UTC days that were over by then.

    messages: day, segment, channel, sent, delivered. outcomes: step (opened, clicked, converted: the first attributed
    payment), day, segment, channel of the message, lag in whole UTC days, count. payments: attributed ones by currency,
    as outcomes, with their count and money. waits: day, segment, channel, lag, seconds of each opened message. amounts:
    currency, count, total, squares of single attributed payments. people: country (null: unknown), count of debtors.
    currencies: of accounts. owed: segment, currency, balance still open. promises: day, direction, lag until kept
    (null: not), count. terms: days between a promise and its deadline, count. finance: the tenant's monthly books.
    """

    as_of: datetime
    messages: pl.DataFrame
    outcomes: pl.DataFrame
    payments: pl.DataFrame
    waits: pl.DataFrame
    amounts: pl.DataFrame
    people: pl.DataFrame
    currencies: pl.DataFrame
    owed: pl.DataFrame
    promises: pl.DataFrame
    terms: pl.DataFrame
    finance: pl.DataFrame

    def __add__(self, other: "Tally") -> "Tally":
        """Both together: of other debtors of the same tenant, known at the same instant."""
        added = {
            name: _added(getattr(self, name), getattr(other, name), sums) for name, sums in _SUMS.items()
        }
        waits = pl.concat([self.waits, other.waits], rechunk=False)
        return Tally(self.as_of, **added, waits=waits, finance=self.finance)

    @cached_property
    def fingerprint(self) -> str:
        """The same for what was counted alike, at the same instant."""
        digest = hashlib.sha256(self.as_of.isoformat().encode())
        for one in fields(self):
            part = getattr(self, one.name)
            if isinstance(part, pl.DataFrame):
                digest.update(one.name.encode())
                digest.update(part.hash_rows(seed=0).to_numpy().tobytes())
        return digest.hexdigest()


_SUMS = {
    "messages": ("sent", "delivered"),
    "outcomes": ("count",),
    "payments": ("count", "money"),
    "amounts": ("count", "total", "squares"),
    "people": ("count",),
    "currencies": (),
    "owed": ("balance",),
    "promises": ("count",),
    "terms": ("count",),
}
"""Frame of a tally → what is added up; the other columns tell its rows apart."""


def _added(one: pl.DataFrame, other: pl.DataFrame, sums: tuple[str, ...]) -> pl.DataFrame:
    keys = [name for name in one.columns if name not in sums]
    return pl.concat([one, other]).group_by(keys).agg(pl.col(sums).sum()).sort(keys)


def first_day_after_silence(days: pl.Series) -> date | None:
    """The first of `days` (dates, in any order) after their last silence over `LONGEST_SILENCE`; None of none."""
    known = days.unique().sort()
    resumed = known.filter(known.diff().dt.total_days().fill_null(0) > LONGEST_SILENCE)
    first = (known if resumed.is_empty() else resumed.tail(1)).min()
    assert isinstance(first, date | None)  # noqa: S101 - a day, or none
    return first


def tally_of(history: History) -> Tally:
    """Counts what `history` holds; the same history has the same fingerprint, to the last digit of its money."""
    end = history.as_of.astimezone(UTC).date()
    sent = (
        history.outbound.with_columns(
            day=pl.col("sent_at").dt.date(), segment=pl.col("segment").fill_null("NONE")
        )
        .filter(pl.col("day") < end)
        .select("communication", *_CELL, "sent_at", "delivered", "opened_at", "clicked_at")
    )
    delivered, paid = sent.filter("delivered"), _attributed(history, sent)
    one, amount = pl.lit(1.0), pl.col("amount")
    counted = {
        "messages": sent.group_by(_CELL).agg(
            sent=_COUNT, delivered=pl.col("delivered").sum().cast(pl.Float64)
        ),
        "outcomes": _outcomes(delivered, paid),
        "payments": sums_in_order(
            _lagged(paid, "paid_at"), ["currency", *_CELL, "lag"], {"count": one, "money": amount}
        ),
        "amounts": sums_in_order(paid, ["currency"], {"count": one, "total": amount, "squares": amount**2}),
        "people": history.debtors.group_by("country").agg(count=_COUNT),
        "currencies": history.accounts.select("currency").unique(),
        "owed": _open_balances(history, end),
        "promises": _promises(history, end),
        "terms": history.promises.group_by(days=_days(pl.col("deadline") - pl.col("promised_at")))
        .agg(count=_COUNT)
        .drop_nulls(),
    }
    ordered = {name: frame.sort(frame.columns) for name, frame in counted.items()}
    return Tally(history.as_of, **ordered, waits=_waits(delivered), finance=history.finance)


def _outcomes(delivered: pl.DataFrame, paid: pl.DataFrame) -> pl.DataFrame:
    first_paid = paid.sort("paid_at").unique("communication", keep="first")
    reached = {
        "opened": (delivered, "opened_at"),
        "clicked": (delivered, "clicked_at"),
        "converted": (first_paid, "paid_at"),
    }
    return pl.concat(
        _lagged(rows, at).group_by(pl.lit(step).alias("step"), *_CELL, "lag").agg(count=_COUNT)
        for step, (rows, at) in reached.items()
    )


def _promises(history: History, end: date) -> pl.DataFrame:
    made = history.promises.select(
        day=pl.col("promised_at").dt.date(),
        direction=pl.col("direction").fill_null("OUTBOUND"),
        lag=_days(pl.col("kept_at").dt.date() - pl.col("promised_at").dt.date()).clip(0, LONGEST_LAG),
    )
    return made.filter(pl.col("day") < end).group_by(made.columns).agg(count=_COUNT)


def _days(span: pl.Expr) -> pl.Expr:
    return span.dt.total_days().clip(-_MOST_DAYS, _MOST_DAYS).cast(pl.Int16)


def _attributed(history: History, sent: pl.DataFrame) -> pl.DataFrame:
    """Unreversed payments attributed to the messages in `sent`, with their day and cell. Source: kpis.md."""
    paid = history.payments.filter(pl.col("communication").is_not_null() & pl.col("reversed_at").is_null())
    return paid.select("communication", "amount", "currency", "paid_at").join(
        sent.select("communication", *_CELL), on="communication", maintain_order="left"
    )


def _lagged(rows: pl.DataFrame, at: str) -> pl.DataFrame:
    """With the lag of those that came; lags over `LONGEST_LAG` are dropped: such an outcome is no longer waited for."""
    lag = _days(pl.col(at).dt.date() - pl.col("day")).clip(lower_bound=0)
    return rows.filter(pl.col(at).is_not_null()).with_columns(lag=lag).filter(pl.col("lag") <= LONGEST_LAG)


def _waits(delivered: pl.DataFrame) -> pl.DataFrame:
    seconds = (pl.col("opened_at") - pl.col("sent_at")).dt.total_microseconds() / 1e6
    rows = _lagged(delivered.filter(pl.col("opened_at") >= pl.col("sent_at")), "opened_at")
    return rows.select(*_CELL, "lag", seconds=seconds)


def _open_balances(history: History, today: date) -> pl.DataFrame:
    """What is still owed on accounts opened and not closed."""
    paid = sums_in_order(
        history.payments.filter(pl.col("reversed_at").is_null()), ["account"], {"paid": pl.col("amount")}
    )
    live = (pl.col("opened_on").is_null() | (pl.col("opened_on") <= today)) & (
        pl.col("closed_on").is_null() | (pl.col("closed_on") > today)
    )
    owed = (pl.col("principal") - pl.col("paid").fill_null(0.0)).clip(lower_bound=0.0)
    balances = (
        history.accounts.filter(live)
        .join(paid, on="account", how="left", maintain_order="left")
        .join(
            history.debtors.select("debtor", pl.col("segment").fill_null("NONE")),
            on="debtor",
            maintain_order="left",
        )
    )
    return sums_in_order(balances, ["segment", "currency"], {"balance": owed})
