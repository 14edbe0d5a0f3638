"""What is expected of the coming days: messages, outcomes and money per group, under a sending policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ml.forecast.cohorts import Cohorts, Floats, Ints
from ml.forecast.rates import Rates, phases
from ml.forecast.volume import Volume

STEPS = ("delivered", "opened", "clicked", "converted")


@dataclass(frozen=True)
class Streams:
    """Messages that share a segment and a channel (S of them) over D days.

    sent: (D, S). rate, weight: per step of `STEPS`, (S,): delivered per sent, the others per delivered, and
    the number of messages each rests on. share, amount: (S, currencies) of conversions, money per
    conversion. waits: (S, bands) shares of openings by how long they take; waits_weight: (S,) openings they rest on.
    """

    segments: tuple[str, ...]
    channels: tuple[str, ...]
    sent: Floats
    rate: Mapping[str, Floats]
    weight: Mapping[str, Floats]
    share: Floats
    amount: Floats
    waits: Floats
    waits_weight: Floats


@dataclass(frozen=True)
class Outlook:
    """Expectations per day and group (D, G): messages and outcomes; money (D, G, currencies) in each
    currency.

    weight: per step, (G,) messages its rate rests on; conversions: (G, currencies) that the mean amount
    rests on; share, amount: (G, currencies). waits: (D, G, bands) expected openings by how long they take;
    waits_weight: (G,).
    """

    sent: Floats
    steps: Mapping[str, Floats]
    money: Floats
    weight: Mapping[str, Floats]
    conversions: Floats
    share: Floats
    amount: Floats
    waits: Floats
    waits_weight: Floats


@dataclass(frozen=True)
class Grouping:
    """Which series are asked for: (segment or None, channel or None) each."""

    keys: tuple[tuple[str | None, str | None], ...]
    by_segment: bool
    by_channel: bool

    def of(self, segments: Sequence[str], channels: Sequence[str]) -> Ints:
        """The group of each pair."""
        place = {key: index for index, key in enumerate(self.keys)}
        return np.array(
            [place[self._key(pair)] for pair in zip(segments, channels, strict=True)], dtype=np.int64
        )

    def _key(self, pair: tuple[str, str]) -> tuple[str | None, str | None]:
        return (pair[0] if self.by_segment else None, pair[1] if self.by_channel else None)


def grouping(
    segments: Sequence[str], channels: Sequence[str], *, by_segment: bool, by_channel: bool
) -> Grouping:
    """The groups that these pairs of segment and channel fall into."""
    empty = Grouping((), by_segment, by_channel)
    keys = {empty._key(pair) for pair in zip(segments, channels, strict=True)}
    return Grouping(tuple(sorted(keys, key=lambda key: (key[0] or "", key[1] or ""))), by_segment, by_channel)


def current_streams(cohorts: Cohorts, rates: Rates, volume: Volume) -> Streams:
    """Sending goes on as lately: one stream per cell."""
    return Streams(
        cohorts.segments,
        cohorts.channels,
        volume.expected,
        rates.rate,
        rates.weight,
        rates.share,
        rates.amount,
        rates.waits,
        rates.waits_weight,
    )


def expect(
    streams: Streams,
    groups: Grouping,
    *,
    phase: Floats,
    owed: Floats | None = None,
    depletes: bool = False,
) -> Outlook:
    """Adds the streams up into groups. phase: (D,) factor of conversion. owed: (S, currencies) money still open in the
    stream's whole segment: no more of it is collected, whatever the rates say; None: no limit known. depletes: the
    rates are not those of the portfolio as it goes on, so who has paid is no longer there to pay.
    """
    group = groups.of(streams.segments, streams.channels)
    onto = np.zeros((len(group), len(groups.keys)))
    onto[np.arange(len(group)), group] = 1.0
    delivered = streams.sent * streams.rate["delivered"]
    converted = np.minimum(delivered * streams.rate["converted"] * phase[:, None], delivered)
    by_currency = converted[:, :, None] * streams.share
    if owed is not None:
        by_currency = by_currency * _paying(by_currency * streams.amount, streams.segments, owed, depletes)
    steps = {
        "delivered": delivered,
        "opened": delivered * streams.rate["opened"],
        "clicked": delivered * np.minimum(streams.rate["clicked"], streams.rate["opened"]),
        "converted": by_currency.sum(axis=2),
    }
    money = by_currency * streams.amount
    count = np.einsum("dsk,sg->gk", by_currency, onto)
    total = np.einsum("dsk,sg->dgk", money, onto)
    plain = onto.T @ (streams.share * (streams.sent.sum(axis=0)[:, None] + 1e-12))
    shares = np.where(count.sum(axis=1, keepdims=True) > 0, count, plain)
    converting = (streams.weight["converted"] * streams.rate["converted"])[:, None] * streams.share
    return Outlook(
        sent=streams.sent @ onto,
        steps={name: part @ onto for name, part in steps.items()},
        money=total,
        weight={name: streams.weight[name] @ onto for name in STEPS},
        conversions=onto.T @ converting,
        share=shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12),
        amount=total.sum(axis=0) / np.maximum(count, 1e-12),
        waits=_waiting(steps["opened"], streams.waits, group, len(groups.keys)),
        waits_weight=streams.waits_weight @ onto,
    )


def _waiting(opened: Floats, waits: Floats, group: Ints, groups: int) -> Floats:
    """(D, G, bands) openings expected of each day and group by how long they take. opened: (D, S)"""
    waiting = np.zeros((len(opened), groups, waits.shape[1]))
    for place in range(groups):
        own = group == place
        waiting[:, place] = opened[:, own] @ waits[own]
    return waiting


def _paying(money: Floats, segments: Sequence[str], owed: Floats, depletes: bool) -> Floats:
    """(D, S, currencies) share of the expected payments that happen, so that no segment pays more than it owes.

    depletes: what is paid is no longer owed, so a segment's money approaches what it owes and never reaches it.
    """
    names, segment = np.unique(np.array(segments), return_inverse=True)
    onto = np.zeros((len(segments), len(names)))
    onto[np.arange(len(segments)), segment] = 1.0
    running = np.einsum("dsk,sg->dgk", money, onto).cumsum(axis=0)
    limit = np.zeros((len(names), money.shape[2]))
    limit[segment] = owed
    depleting = -limit * np.expm1(-running / np.maximum(limit, 1e-9))
    reached = depleting if depletes else np.minimum(running, limit)
    step, happens = np.diff(running, axis=0, prepend=0), np.diff(reached, axis=0, prepend=0)
    factor = np.where(step > 0, happens / np.maximum(step, 1e-12), 1.0)
    return np.asarray(factor[:, segment])


def phase_of_days(cohorts: Cohorts, rates: Rates, until: int, horizon: int) -> Floats:
    """(horizon,) factor of conversion on the days from `until` on."""
    return rates.phase[phases(cohorts, until + np.arange(horizon))]
