"""The same volume, sent as a plan says: per segment other channels and weekdays, and who is not worth it left alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.forecast.cohorts import Cohorts, Floats
from ml.forecast.outlook import STEPS, Streams
from ml.forecast.rates import Rates
from ml.forecast.schedule import Move, Schedule
from ml.forecast.volume import Volume


@dataclass(frozen=True)
class _Stream:
    segment: str
    channel: str
    sent: Floats
    rate: dict[str, float]
    like: int


def recommended_streams(cohorts: Cohorts, rates: Rates, volume: Volume, schedule: Schedule) -> Streams:
    """Streams of `volume` with the messages of each segment of the schedule moved; those of other segments unchanged.

    The week is repeated: a part's volume over the horizon stays the same, on the weekdays of its contacts; when none of
    them lies within the horizon its days stay as they are.
    """
    horizon = len(volume.expected)
    kept = [cell for cell in range(cohorts.cells) if cohorts.segments[cell] not in schedule]
    streams = [_as_now(cohorts, rates, volume, cell) for cell in kept]
    compare = _Comparison(cohorts, rates, _typical(cohorts, rates))
    weekday = (cohorts.first_day.weekday() + cohorts.days + np.arange(horizon)) % 7
    for segment, moves in schedule.items():
        cells = [cell for cell in range(cohorts.cells) if cohorts.segments[cell] == segment]
        if not cells:
            continue
        whole = volume.expected[:, cells].sum(axis=1)
        for move in moves:
            planned, days = whole * move.share, move.days[weekday]
            moved = planned.sum() * days / days.sum() if days.sum() > 0 else planned
            rate, like = compare.outlook(move, cells)
            streams.append(_Stream(segment, move.channel, moved, rate, like))
    return _joined(streams, cohorts, rates, horizon)


def _as_now(cohorts: Cohorts, rates: Rates, volume: Volume, cell: int) -> _Stream:
    """What is sent to a cell, going on as it does."""
    rate = {name: float(rates.rate[name][cell]) for name in STEPS}
    return _Stream(cohorts.segments[cell], cohorts.channels[cell], volume.expected[:, cell], rate, cell)


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


@dataclass(frozen=True)
class _Comparison:
    """How part of a plan compares with what is sent on its channel.

    typical: channel (None: all) → step → rate as sent lately, delivered per sent, the others per delivered.
    """

    cohorts: Cohorts
    rates: Rates
    typical: dict[str | None, dict[str, float]]

    def outlook(self, move: Move, cells: Sequence[int]) -> tuple[dict[str, float], int]:
        """The rates of a move, and the cell whose certainty and amounts it shares; cells: those of the segment.

        The channel's rate as sent times what the model says of the contacts planned.
        """
        own = [cell for cell in cells if self.cohorts.channels[cell] == move.channel]
        like = own[0] if own else max(cells, key=lambda cell: float(self.rates.weight["converted"][cell]))
        typical = self.typical.get(move.channel, self.typical[None])
        delivered = min(typical["delivered"] * move.ratio["delivered"], 1.0)
        per_sent = {step: typical["delivered"] * typical[step] * move.ratio[step] for step in STEPS[1:]}
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
