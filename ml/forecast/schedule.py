"""A schedule to forecast: where each segment's messages go under a plan, and how the model sees them against those sent
lately.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from ml.forecast.cohorts import Floats
from ml.forecast.outlook import STEPS
from ml.frames import History
from ml.weekly_plan import contacted_lately

_SENT_ROWS = 12_000
_LEAST, _MOST = 0.2, 5.0
"""Bounds of how much better or worse an action may be than what is sent on its channel."""
_BELIEVED = 0.5
"""Share of the log of what the model claims for a chosen action. The best of many is seldom as good as it looks: lived
through in worlds of seven forms, choices brought about half of it (`bench.forecasting.policies`).
"""


class Chances(Protocol):
    """Per contact sent, one entry per row: probabilities that it is delivered, opened, clicked, and paid
    upon.
    """

    @property
    def p_delivered(self) -> Floats:
        """(n,)"""

    @property
    def p_open(self) -> Floats:
        """(n,)"""

    @property
    def p_click(self) -> Floats:
        """(n,)"""

    @property
    def p_convert(self) -> Floats:
        """(n,) a payment is attributed (kpis.md)."""


class Predictor(Protocol):
    """A trained model."""

    def predict(self, history: History, rows: pl.DataFrame) -> Chances:
        """rows: debtor, channel, at."""


@dataclass(frozen=True)
class Move:
    """Part of a segment's messages. share: of all of them; days: (7,) shares of this part by UTC weekday, Monday first;
    ratio: step → the model's probability per message sent, as a multiple of that of what is sent lately on the channel.
    """

    channel: str
    share: float
    days: Floats
    ratio: Mapping[str, float]


Schedule = Mapping[str, tuple[Move, ...]]
"""Segment → where its messages go; what the shares leave of 1 is not sent. A segment not in it goes on as it does."""


def schedule_of(model: Predictor, history: History, planned: pl.DataFrame, *, seed: int = 0) -> Schedule:
    """What a week's plan makes of its debtors' segments, each debtor counting as often as it was contacted lately.

    planned: debtor, channel (null: left alone), hour_of_week (local).
    """
    lately = contacted_lately(history)
    often = lately.group_by("debtor").agg(weight=pl.len().cast(pl.Float64))
    people = history.debtors.select("debtor", "time_zone", segment=pl.col("segment").fill_null("NONE"))
    rows = planned.join(people, on="debtor", maintain_order="left").join(
        often, on="debtor", how="left", maintain_order="left"
    )
    rows = rows.with_columns(pl.col("weight").fill_null(1.0)).with_columns(
        part=pl.col("weight") / pl.col("weight").sum().over("segment")
    )
    made = _at_their_instants(rows.drop_nulls("channel"), history.as_of)
    schedule: dict[str, tuple[Move, ...]] = dict.fromkeys(rows["segment"].unique().sort().to_list(), ())
    if made.is_empty():
        return schedule
    usual, priced = _priced(model, history, lately, made, seed)
    grouped = priced.group_by("segment", "channel", maintain_order=True)
    for (segment, channel), part in sorted(grouped, key=lambda pair: pair[0]):
        schedule[str(segment)] += (_move(str(channel), part, usual.get(str(channel), usual[None])),)
    return schedule


def _at_their_instants(made: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    slots = made.select("time_zone", "hour_of_week").unique(maintain_order=True)
    instants = [_next(as_of, zone, hour) for zone, hour in slots.iter_rows()]
    at = slots.with_columns(at=pl.Series(instants, dtype=pl.Datetime("us", "UTC")))
    return made.join(at, on=["time_zone", "hour_of_week"], maintain_order="left")


def _next(after: datetime, zone: str, hour_of_week: int) -> datetime:
    """The next start of a local hour of the week; where a clock change skips it, the hour that stands for
    it.
    """
    day = after.astimezone(ZoneInfo(zone)).date() + timedelta(days=1)
    day += timedelta(days=(hour_of_week // 24 - day.weekday()) % 7)
    return datetime.combine(day, time(hour_of_week % 24), ZoneInfo(zone)).astimezone(UTC)


def _priced(
    model: Predictor, history: History, lately: pl.DataFrame, made: pl.DataFrame, seed: int
) -> tuple[dict[str | None, dict[str, float]], pl.DataFrame]:
    """Mean chances of a sample of what was sent lately, by channel and (None) of all, and `made` with its own."""
    rng = np.random.default_rng([seed, 7])
    sent = lately[np.sort(rng.permutation(len(lately))[:_SENT_ROWS])]
    asked = pl.concat(
        [sent.select("debtor", "channel", at="sent_at"), made.select("debtor", "channel", "at")]
    )
    chances = model.predict(history, asked)
    found = pl.DataFrame(
        {
            "delivered": chances.p_delivered,
            "opened": chances.p_open,
            "clicked": chances.p_click,
            "converted": chances.p_convert,
        }
    )
    before = found.head(len(sent)).with_columns(channel=sent["channel"])
    usual: dict[str | None, dict[str, float]] = {
        None: {step: float(before[step].mean() or 0.0) for step in STEPS}  # type: ignore[arg-type]
    }
    for (channel,), part in before.group_by("channel"):
        usual[str(channel)] = {step: float(part[step].to_numpy().mean()) for step in STEPS}
    return usual, pl.concat([made, found.slice(len(sent))], how="horizontal")


def _move(channel: str, part: pl.DataFrame, usual: Mapping[str, float]) -> Move:
    weight = part["part"].to_numpy()
    days = np.bincount(part["at"].dt.weekday().to_numpy() - 1, weights=weight, minlength=7)
    found = {step: float(np.average(part[step].to_numpy(), weights=weight)) for step in STEPS}
    ratio = {step: _believed(step, found[step] / usual[step]) if usual[step] > 0 else 1.0 for step in STEPS}
    return Move(channel, float(weight.sum()), days / days.sum(), ratio)


def _believed(step: str, claimed: float) -> float:
    """What is expected of an action that was chosen for how good it looks; nobody chooses by delivery."""
    share = 1.0 if step == "delivered" else _BELIEVED
    return float(np.clip(claimed, _LEAST, _MOST) ** share)
