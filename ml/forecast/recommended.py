"""The same volume, sent where the recommendations say: per segment another channel, weekday and hour."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from ml.forecast.cohorts import Cohorts, Floats
from ml.forecast.expectations import RECENT_DAYS, Expectations
from ml.forecast.outlook import STEPS, Streams
from ml.forecast.rates import Rates
from ml.forecast.volume import Volume
from ml.frames import History


@dataclass(frozen=True)
class _Stream:
    segment: str
    channel: str
    sent: Floats
    rate: dict[str, float]
    like: int


def recommended_streams(
    history: History,
    cohorts: Cohorts,
    rates: Rates,
    volume: Volume,
    expected: Expectations,
    recommendations: pl.DataFrame,
) -> Streams:
    """Streams of `volume` with each recommended segment's messages moved; those of other segments unchanged.

    A slot's days are those on which its local weekday and hour fall, by the zones of the segment's debtors;
    when none of them lies within the horizon the days stay as they are. The segment's volume over the
    horizon stays the same. Debtors who cannot be reached on the recommended channel are contacted as now.
    """
    horizon = len(volume.expected)
    told = set(recommendations["segment"])
    kept = [cell for cell in range(cohorts.cells) if cohorts.segments[cell] not in told]
    streams = [_as_now(cohorts, rates, volume, cell) for cell in kept]
    compare = _Comparison(cohorts, rates, _typical(cohorts, rates), expected)
    zones, reached = _zones(history), _reached(history)
    for row in recommendations.iter_rows(named=True):
        cells = [cell for cell in range(cohorts.cells) if cohorts.segments[cell] == row["segment"]]
        if row["channel"] is None or not cells:
            continue
        part, moving = float(row.get("share") or 1.0), reached(row["segment"], row["channel"])
        if moving < 1:
            streams += [_as_now(cohorts, rates, volume, cell, part * (1 - moving)) for cell in cells]
        planned = volume.expected[:, cells].sum(axis=1) * part * moving
        days = _days_of_slot(
            history.as_of, cohorts, row["hour_of_week"], zones.get(row["segment"], {}), horizon
        )
        moved = planned.sum() * days / days.sum() if days.sum() > 0 else planned
        rate, like = compare.outlook(row["segment"], row["channel"], row["hour_of_week"], cells)
        streams.append(_Stream(row["segment"], row["channel"], moved, rate, like))
    return _joined(streams, cohorts, rates, horizon)


def _as_now(cohorts: Cohorts, rates: Rates, volume: Volume, cell: int, share: float = 1.0) -> _Stream:
    """A share of what is sent to a cell, going on as it does."""
    rate = {name: float(rates.rate[name][cell]) for name in STEPS}
    sent = volume.expected[:, cell] * share
    return _Stream(cohorts.segments[cell], cohorts.channels[cell], sent, rate, cell)


def _reached(history: History) -> Callable[[str, str], float]:
    """(segment, channel) → share of the segment's lately contacted debtors (else of all it has) with a usable address
    there; 1 for a segment without debtors.
    """
    lately = history.outbound.filter(pl.col("sent_at") >= history.as_of - timedelta(days=RECENT_DAYS))
    people = history.debtors.select(
        "debtor", "channels", segment=pl.col("segment").fill_null("NONE")
    ).with_columns(lately=pl.col("debtor").is_in(lately["debtor"].unique().implode()))
    counted = people.with_columns(
        weight=pl.when(pl.col("lately").any().over("segment")).then(pl.col("lately")).otherwise(True)
    ).filter("weight")
    whole = dict(counted.group_by("segment").len().iter_rows())
    with_address = counted.explode("channels").drop_nulls("channels").group_by("segment", "channels").len()
    found = {
        (segment, channel): count / whole[segment] for segment, channel, count in with_address.iter_rows()
    }
    return lambda segment, channel: found.get((segment, channel), 0.0) if segment in whole else 1.0


def _joined(streams: Sequence[_Stream], cohorts: Cohorts, rates: Rates, horizon: int) -> Streams:
    like = np.array([stream.like for stream in streams], dtype=np.int64)
    return Streams(
        segments=tuple(stream.segment for stream in streams),
        channels=tuple(stream.channel for stream in streams),
        sent=np.stack([stream.sent for stream in streams], axis=1) if streams else np.zeros((horizon, 0)),
        rate={name: np.array([stream.rate[name] for stream in streams]) for name in STEPS},
        weight={name: rates.weight[name][like] for name in STEPS},
        share=rates.share[like],
        amount=rates.amount[like],
        waits=_waits(streams, cohorts, rates),
        waits_weight=rates.waits_weight[like],
    )


def _waits(streams: Sequence[_Stream], cohorts: Cohorts, rates: Rates) -> Floats:
    """(S, bands) of the cell a stream is like where that is on its channel, else of its channel as a whole."""
    channels = np.array(cohorts.channels)
    rows = [rates.waits[:0]]
    for stream in streams:
        cells = [stream.like] if channels[stream.like] == stream.channel else channels == stream.channel
        found = rates.waits[cells]
        rows.append(np.mean(found if len(found) else rates.waits, axis=0, keepdims=True))
    return np.concatenate(rows)


def _zones(history: History) -> dict[str, dict[str, float]]:
    """segment → zone → share of its debtors."""
    counted = history.debtors.group_by(pl.col("segment").fill_null("NONE"), "time_zone").len()
    zones: dict[str, dict[str, float]] = {}
    for segment, zone, count in counted.iter_rows():
        zones.setdefault(segment, {})[zone] = float(count)
    return zones


def _days_of_slot(
    as_of: datetime, cohorts: Cohorts, hour_of_week: int, zones: dict[str, float], horizon: int
) -> Floats:
    """(horizon,) weight of each UTC day for a local hour of the week."""
    weight = np.zeros(horizon)
    first = cohorts.days
    for zone, share in (zones or {"UTC": 1.0}).items():
        offset = as_of.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)
        weekday = ((hour_of_week - offset.total_seconds() / 3600) // 24) % 7
        ahead = (cohorts.first_day.weekday() + first + np.arange(horizon)) % 7
        weight += share * (ahead == weekday)
    return weight


@dataclass(frozen=True)
class _Comparison:
    """How an action compares with what is sent on its channel.

    typical: channel (None: all) → step → rate as sent lately, delivered per sent, the others per delivered.
    """

    cohorts: Cohorts
    rates: Rates
    typical: dict[str | None, dict[str, float]]
    expected: Expectations

    def outlook(
        self, segment: str, channel: str, hour: int, cells: Sequence[int]
    ) -> tuple[dict[str, float], int]:
        """The rates of an action, and the cell whose certainty and amounts it shares; cells: those of the
        segment.

        The channel's rate as sent times what the model says of the action; without a model, the segment's
        own rate on that channel, whatever the hour.
        """
        own = [cell for cell in cells if self.cohorts.channels[cell] == channel]
        like = own[0] if own else max(cells, key=lambda cell: float(self.rates.weight["converted"][cell]))
        typical = self.typical.get(channel, self.typical[None])
        ratio = self.expected.ratio.get((segment, channel, hour))
        if ratio is None:
            source = {name: float(self.rates.rate[name][own[0]]) for name in STEPS} if own else typical
            return dict(source), like
        delivered = min(typical["delivered"] * ratio["delivered"], 1.0)
        per_sent = {step: typical["delivered"] * typical[step] * ratio[step] for step in STEPS[1:]}
        rate = {step: min(value / max(delivered, 1e-9), 1.0) for step, value in per_sent.items()}
        return {"delivered": delivered, **rate}, like


def _typical(cohorts: Cohorts, rates: Rates) -> dict[str | None, dict[str, float]]:
    channels = np.array(cohorts.channels)
    typical: dict[str | None, dict[str, float]] = {}
    for channel in (None, *sorted(set(cohorts.channels))):
        cells = np.ones(len(channels), dtype=bool) if channel is None else channels == channel
        typical[channel] = {
            name: float(np.average(rates.rate[name][cells], weights=rates.weight[name][cells]))
            for name in STEPS
        }
    return typical
