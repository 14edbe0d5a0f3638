"""What the model expects of an action, against what it expects of the messages sent lately on that channel."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from ml.forecast.cohorts import Floats
from ml.frames import History

Slot = tuple[str, str, int]
"""(segment, channel, local hour of the week)"""

RECENT_DAYS = 56
"""Whoever was contacted within so many days is contacted lately."""
_SENT_ROWS, _SEGMENT_ROWS = 12_000, 150
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
class Expectations:
    """ratio: slot → step → the model's probability per message sent, as a multiple of that of what is sent
    lately.
    """

    ratio: dict[Slot, dict[str, float]]


def expectations(model: Predictor, history: History, slots: Iterable[Slot], seed: int) -> Expectations:
    """Predicts each slot for a sample of the segment's debtors contacted lately (else any of them)."""
    wanted = sorted(set(slots))
    rng = np.random.default_rng([seed, 7])
    recent = history.outbound.filter(pl.col("sent_at") >= history.as_of - timedelta(days=RECENT_DAYS))
    if recent.is_empty() or not wanted:
        return Expectations({})
    sent = recent[np.sort(rng.permutation(len(recent))[:_SENT_ROWS])]
    planned = _planned(history, recent, wanted, rng)
    rows = pl.concat(
        [
            sent.select("debtor", "channel", at="sent_at", place=pl.lit(-1, dtype=pl.Int64)),
            planned.select("debtor", "channel", "at", "place"),
        ]
    )
    known = rows.join(history.debtors.select("debtor"), on="debtor", how="semi", maintain_order="left")
    chances = model.predict(history, known.select("debtor", "channel", "at"))
    priced = known.with_columns(
        delivered=pl.Series(chances.p_delivered),
        opened=pl.Series(chances.p_open),
        clicked=pl.Series(chances.p_click),
        converted=pl.Series(chances.p_convert),
    )
    return Expectations(_ratios(priced, wanted))


def _planned(
    history: History, recent: pl.DataFrame, slots: list[Slot], rng: np.random.Generator
) -> pl.DataFrame:
    """debtor, channel, at, place: contacts thought of, place being the position of their slot."""
    people = history.debtors.select("debtor", "time_zone", segment=pl.col("segment").fill_null("NONE"))
    lately = people.join(recent.select("debtor").unique(), on="debtor", how="semi", maintain_order="left")
    parts = []
    for place, (segment, channel, hour) in enumerate(slots):
        own = lately.filter(pl.col("segment") == segment)
        own = own if len(own) else people.filter(pl.col("segment") == segment)
        chosen = own[np.sort(rng.permutation(len(own))[:_SEGMENT_ROWS])]
        instants = {zone: _next(history.as_of, zone, hour) for zone in chosen["time_zone"].unique()}
        at = chosen["time_zone"].replace_strict(instants, return_dtype=pl.Datetime("us", "UTC"))
        parts.append(
            chosen.select("debtor").with_columns(
                channel=pl.lit(channel), at=at, place=pl.lit(place, dtype=pl.Int64)
            )
        )
    return pl.concat(parts)


def _next(after: datetime, zone: str, hour_of_week: int) -> datetime:
    """The next start of a local hour of the week; where a clock change skips it, the hour that stands for
    it.
    """
    day = after.astimezone(ZoneInfo(zone)).date() + timedelta(days=1)
    day += timedelta(days=(hour_of_week // 24 - day.weekday()) % 7)
    return datetime.combine(day, time(hour_of_week % 24), ZoneInfo(zone)).astimezone(UTC)


def _ratios(priced: pl.DataFrame, slots: list[Slot]) -> dict[Slot, dict[str, float]]:
    steps = ("delivered", "opened", "clicked", "converted")
    sent = priced.filter(pl.col("place") < 0)
    usual = {str(name): _means(rows, steps) for (name,), rows in sent.group_by("channel")}
    overall = _means(sent, steps)
    ratios = {}
    for (place,), rows in priced.filter(pl.col("place") >= 0).group_by("place"):
        slot = slots[int(str(place))]
        against, found = usual.get(slot[1], overall), _means(rows, steps)
        ratios[slot] = {
            step: _believed(step, found[step] / against[step]) if against[step] > 0 else 1.0 for step in steps
        }
    return ratios


def _believed(step: str, claimed: float) -> float:
    """What is expected of an action that was chosen for how good it looks; nobody chooses by delivery."""
    share = 1.0 if step == "delivered" else _BELIEVED
    return float(np.clip(claimed, _LEAST, _MOST) ** share)


def _means(rows: pl.DataFrame, steps: tuple[str, ...]) -> dict[str, float]:
    return {step: float(rows[step].to_numpy().mean()) for step in steps}
