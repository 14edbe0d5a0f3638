"""What became of each outbound communication, as arrays: the labels every model learns from."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from ml.arrays import Bools, Floats, Ints
from ml.frames import History
from ml.local_time import MICROSECONDS, LocalTime, local_time, microseconds
from ml.sums import sums_in_order

CHANNELS = ("EMAIL", "SMS", "WHATSAPP", "PUSH", "LETTER", "VOICE")
"""Channel codes are positions in this tuple."""

CONVERSION_WINDOW = timedelta(days=30)
"""A communication converts when a payment within this time of `sent_at` is attributed to it."""

HORIZON_SECONDS = CONVERSION_WINDOW.total_seconds()


@dataclass(frozen=True)
class Outcomes:
    """One entry per outbound communication, in order of `sent_at`; instants in microseconds, `NEVER`
    when not (yet) happened.

    debtor: position in `history.debtors`; channel: position in `CHANNELS`; engaged_at: the first human
    opening, reply or right-party contact (for LETTER that is a click or landing, for VOICE the
    right-party contact); paid_at: the first attributed payment within 30 days; collected: attributed in
    those 30 days, tenant's currency; seen_until: until when outcomes are known.
    """

    keys: pl.Series
    debtor: Ints
    channel: Ints
    segment: pl.Series
    template: pl.Series
    sent_at: Ints
    local: LocalTime
    delivered: Bools
    opened_at: Ints
    clicked_at: Ints
    engaged_at: Ints
    paid_at: Ints
    collected: Floats
    opted_out: Bools
    propensity: Floats
    seen_until: int

    def __len__(self) -> int:
        return len(self.sent_at)

    @property
    def followed_seconds(self) -> Floats:
        """How long each communication has been watched."""
        return np.maximum(self.seen_until - self.sent_at, 0) / MICROSECONDS

    def seconds_to(self, instants: Ints) -> Floats:
        """Seconds from `sent_at` to an outcome; inf when it has not happened by `seen_until`."""
        seconds = np.full(len(self), np.inf)
        seen = instants <= self.seen_until
        seconds[seen] = np.maximum(instants[seen] - self.sent_at[seen], 0) / MICROSECONDS
        return seconds

    def take(self, index: Ints | Bools) -> "Outcomes":
        """The chosen communications, in the order given."""
        rows = np.flatnonzero(index) if index.dtype == np.bool_ else index
        changed: dict[str, Any] = {
            name: value[rows]
            for name, value in vars(self).items()
            if isinstance(value, (np.ndarray, pl.Series))
        }
        local = LocalTime(*(part[rows] for part in vars(self.local).values()))
        return replace(self, local=local, **changed)

    def seen_at(self, instant: int) -> "Outcomes":
        """What had been sent, and what was known of it, at an earlier instant (microseconds)."""
        return replace(self.take(self.sent_at <= instant), seen_until=min(instant, self.seen_until))


def outcomes_of(history: History) -> Outcomes:
    """The labels in `history`: outbound communications of known debtors on known channels. Source:
    kpis.md."""
    positions = history.debtors.select("debtor", "time_zone").with_row_index("position")
    known = pl.col("channel").is_in(CHANNELS) & (pl.col("sent_at") <= history.as_of)
    sent = history.outbound.filter(known).join(positions, on="debtor", how="inner", maintain_order="left")
    sent = sent.join(_first_payments(history, sent), on="communication", how="left", maintain_order="left")
    sent_at = microseconds(sent["sent_at"])
    engaged = pl.min_horizontal("opened_at", "replied_at", "right_party_contacted_at")
    return Outcomes(
        keys=sent["communication"],
        debtor=sent["position"].cast(pl.Int64).to_numpy(),
        channel=channel_codes(sent["channel"]),
        segment=sent["segment"].fill_null("NONE"),
        template=sent["template"],
        sent_at=sent_at,
        local=local_time(sent_at, sent["time_zone"]),
        delivered=sent["delivered"].to_numpy(),
        opened_at=microseconds(sent["opened_at"]),
        clicked_at=microseconds(sent["clicked_at"]),
        engaged_at=microseconds(sent.select(engaged.alias("engaged_at"))["engaged_at"]),
        paid_at=microseconds(sent["first_paid_at"]),
        collected=sent["collected"].fill_null(0.0).to_numpy(),
        opted_out=(sent["unsubscribed_at"].is_not_null() | sent["complained_at"].is_not_null()).to_numpy(),
        propensity=sent["propensity"].fill_null(np.nan).to_numpy(),
        seen_until=int(history.as_of.timestamp() * MICROSECONDS),
    )


def channel_codes(channels: pl.Series) -> Ints:
    """Positions in `CHANNELS`; −1 for any other word."""
    codes = {name: code for code, name in enumerate(CHANNELS)}
    return channels.replace_strict(codes, default=-1, return_dtype=pl.Int64).to_numpy()


def in_tenant_currency(history: History, amount: str, currency: str) -> pl.Expr:
    """The amount in the tenant's currency; one that no account is in and no rate is known of counts as 1 (for others,
    see `ml.stand_in_rates`)."""
    rates = {history.currency: 1.0, **history.rates}
    rate = pl.col(currency).replace_strict(rates, default=1.0, return_dtype=pl.Float64)
    return pl.col(amount) * rate


def _first_payments(history: History, sent: pl.DataFrame) -> pl.DataFrame:
    """communication, first_paid_at, collected: attributed, unreversed payments within the conversion
    window."""
    attributed = history.payments.filter(
        pl.col("communication").is_not_null() & pl.col("reversed_at").is_null()
    ).with_columns(value=in_tenant_currency(history, "amount", "currency"))
    # In the order of rows: as threads happen to end, sums would differ in the last digit.
    asked = sent.select("communication", "sent_at")
    joined = attributed.join(asked, on="communication", maintain_order="left")
    within = joined.filter(pl.col("paid_at") <= pl.col("sent_at") + CONVERSION_WINDOW)
    first = within.group_by("communication").agg(first_paid_at=pl.col("paid_at").min())
    collected = sums_in_order(within, ["communication"], {"collected": pl.col("value")})
    return first.join(collected, on="communication")


def sent_costs(history: History, outcomes: Outcomes) -> Floats:
    """(n,) cost of each communication in the tenant's currency; nan where it is not recorded."""
    costs = history.communications.select(
        "communication", value=in_tenant_currency(history, "cost", "currency")
    )
    asked = pl.DataFrame({"communication": outcomes.keys})
    joined = asked.join(costs, on="communication", how="left", maintain_order="left")
    return joined["value"].fill_null(np.nan).to_numpy()
