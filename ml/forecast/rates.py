"""Rates of delivery, opening, clicking and conversion per segment and channel, as known on a given day.

Outcomes still to come are allowed for by chain-ladder development; older days count less; small cells lean
on their channel; conversions follow the days of the month on which people are paid.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from ml.forecast.cohorts import OUTCOMES, Cohorts, Floats, Ints, Outcome
from ml.forecast.shifts import shifted_since
from ml.forecast.tally import LONGEST_LAG
from ml.forecast.waits import estimate_waits

_HALF_LIFE = 30.0
_PHASES = np.array([0, 3, 8, 16, 24])
"""First days of month (0 = the 1st) of the phases: 1–3, 4–8, 9–16, 17–24, 25–end."""
_PHASE_PRIOR = 25.0
_SCATTER_DAYS = 56


@dataclass(frozen=True)
class Rates:
    """rate, weight: KPI name → (cells,): the rate and the number of messages it rests on; converted depends
    on the day.

    Names: delivered (per sent), opened, clicked, converted (per delivered). phase: (5,) factor of conversion
    by phase of the month. share: (cells, currencies) of conversions. amount: (cells, currencies) attributed
    money per conversion in that currency. waits: (cells, bands) shares of openings by how long they take, and the
    number of openings each row rests on. scatter: KPI name → log-odds standard deviation of single days beyond chance,
    what all channels share and what each has of its own.
    """

    rate: dict[str, Floats]
    weight: dict[str, Floats]
    phase: Floats
    share: Floats
    amount: Floats
    waits: Floats
    waits_weight: Floats
    scatter: dict[str, tuple[float, float]]


def phases(cohorts: Cohorts, days: Ints) -> Ints:
    """The phase of the month of numbered days."""
    of_month = np.array(
        [(cohorts.first_day + timedelta(days=int(day))).day - 1 for day in days], dtype=np.int64
    )
    return np.searchsorted(_PHASES, of_month, side="right") - 1


def estimate_rates(cohorts: Cohorts, until: int) -> Rates:
    """The rates as known when day number `until` begins."""
    age = until - 1 - np.arange(until)
    recency = 0.5 ** (age / _HALF_LIFE)
    channel = np.unique(np.array(cohorts.channels), return_inverse=True)[1]
    sent, delivered = cohorts.sent[:until], cohorts.delivered[:until]
    rate, weight, scatter = {}, {}, {}
    # Of the last day some is still under way; it is left out where there is another.
    known = age >= min(1, until - 1)
    arrived, settled = delivered * known[:, None], sent * known[:, None]
    since = {"delivered": _since(arrived, settled, channel)}
    rate["delivered"], weight["delivered"] = _lately(arrived, settled, recency, channel, since["delivered"])
    scatter["delivered"] = _scatter(arrived, settled, rate["delivered"], channel)
    phase = np.ones(len(_PHASES))
    for name in OUTCOMES:
        outcome = cohorts.outcomes[name].known_before(until)
        seen = outcome.by_day(until, cohorts.cells)
        exposure = delivered * _developed(outcome, channel, until)[age][:, channel]
        if name == "converted":
            phase = _phase_factors(cohorts, seen, exposure, recency)
            exposure = exposure * phase[phases(cohorts, np.arange(until))][:, None]
        since[name] = _since(seen, exposure, channel)
        if name == "clicked":  # who no longer opens no longer clicks, which is too seldom to show by itself
            since[name] = np.maximum(since[name], since["opened"])
        rate[name], weight[name] = _lately(seen, exposure, recency, channel, since[name])
        scatter[name] = _scatter(seen, exposure, rate[name], channel)
    share, amount = _amounts(cohorts, until, recency)
    return Rates(
        rate, weight, phase, share, amount, *estimate_waits(cohorts.waits, delivered, channel), scatter
    )


def _developed(outcome: Outcome, channel: Ints, until: int) -> Floats:
    """(until, channels) share of all outcomes that have shown up by a given age in whole days, by chain
    ladder.
    """
    channels = channel.max() + 1
    seen = np.zeros((until, LONGEST_LAG + 1, channels))
    np.add.at(seen, (outcome.day, outcome.lag, channel[outcome.cell]), outcome.count)
    running = seen.cumsum(axis=1)
    age = until - 1 - np.arange(until)
    share = np.ones((LONGEST_LAG + 1, channels))
    for lag in range(LONGEST_LAG, 0, -1):
        old = age >= lag
        before, after = running[old, lag - 1].sum(axis=0), running[old, lag].sum(axis=0)
        # Where all comes later than `lag` - 1 days, nothing can be told from messages of that age.
        factor = np.where(before > 0, after / np.maximum(before, 1e-12), np.where(after > 0, np.inf, 1.0))
        share[lag - 1] = share[lag] / np.maximum(factor, 1.0)
    return share[np.minimum(np.arange(until), LONGEST_LAG)]


def _since(seen: Floats, exposed: Floats, channel: Ints) -> Ints:
    """(cells,) the first day of the rate that their channel has now."""
    onto = np.zeros((seen.shape[1], channel.max() + 1))
    onto[np.arange(len(channel)), channel] = 1.0
    return shifted_since(seen @ onto, exposed @ onto)[channel]


def _lately(
    seen: Floats, exposed: Floats, recency: Floats, channel: Ints, since: Ints
) -> tuple[Floats, Floats]:
    """(cells,) the rates of `seen` to `exposed` (days, cells), older days counting less and those before `since` not at
    all, and what they rest on.
    """
    weight = recency[:, None] * (np.arange(len(seen))[:, None] >= since)
    return _shrunk((weight * seen).sum(axis=0), (weight * exposed).sum(axis=0), channel)


def _shrunk(positive: Floats, exposed: Floats, channel: Ints) -> tuple[Floats, Floats]:
    """(cells,) rates drawn towards their channel's as far as chance explains their spread, and what they
    rest on.
    """
    overall = positive.sum() / max(float(exposed.sum()), 1e-9)
    channels = int(channel.max()) + 1
    positives = np.bincount(channel, weights=positive, minlength=channels)
    exposures = np.bincount(channel, weights=exposed, minlength=channels)
    of_channel = (positives + 2 * overall) / (exposures + 2)  # little: some channels never show an opening
    parent = np.clip(of_channel[channel], 1e-6, 1 - 1e-6)
    own = positive / np.maximum(exposed, 1e-9)
    spread = (exposed * (own - parent) ** 2).sum() - (parent * (1 - parent) * (exposed > 0)).sum()
    between = max(spread / max(float(exposed.sum()), 1e-9), 1e-5)
    prior = np.clip(parent * (1 - parent) / between, 5.0, 5000.0)
    return np.clip((positive + prior * parent) / (exposed + prior), 0.0, 1.0), exposed + prior


def _scatter(seen: Floats, exposed: Floats, rate: Floats, channel: Ints) -> tuple[float, float]:
    """Log-odds standard deviations of single days, of all channels together and of each beyond that; from the last
    eight weeks, each week at its own level, less what chance explains.
    """
    recent = slice(max(len(seen) - _SCATTER_DAYS, 0), None)
    onto = np.zeros((seen.shape[1], channel.max() + 1))
    onto[np.arange(len(channel)), channel] = 1.0
    found, due, spread = (
        (part @ onto)[recent] for part in (seen, exposed * rate, exposed * rate * (1 - rate))
    )
    each = _excess(found, due, spread)
    shared = _excess(*(part.sum(axis=1, keepdims=True) for part in (found, due, spread)))
    shared = min(shared, each)
    return float(np.sqrt(shared)), float(np.sqrt(each - shared))


def _excess(found: Floats, due: Floats, spread: Floats) -> float:
    """Variance of daily log-odds beyond the binomial `spread` of counts `found` where `due` were."""
    if len(found) < 14:
        return 0.0
    week = np.arange(len(found))[::-1] // 7
    came, expected = np.zeros((2, week[0] + 1, found.shape[1]))
    np.add.at(came, week, found)
    np.add.at(expected, week, due)
    level = came / np.maximum(expected, 1e-9)
    lost = 6 / 7  # a week's own level takes one of its seven degrees of freedom
    off = found - due * level[week]
    beyond = (off**2).sum() - lost * (spread * level[week]).sum()
    return float(np.clip(beyond / max(lost * (spread**2).sum(), 1e-9), 0.0, 1.0))


def _phase_factors(cohorts: Cohorts, seen: Floats, exposure: Floats, recency: Floats) -> Floats:
    """(5,) how much more is converted in each phase of the month than by the average of the days around it."""
    until = len(seen)
    rate = (recency @ seen).sum() / max(float((recency @ exposure).sum()), 1e-9)
    phase = phases(cohorts, np.arange(until))
    got = np.bincount(phase, weights=seen.sum(axis=1), minlength=len(_PHASES))
    due = np.bincount(phase, weights=rate * exposure.sum(axis=1), minlength=len(_PHASES))
    due = due * got.sum() / max(float(due.sum()), 1e-9)
    return np.asarray((got + _PHASE_PRIOR) / (due + _PHASE_PRIOR))


def _amounts(cohorts: Cohorts, until: int, recency: Floats) -> tuple[Floats, Floats]:
    """Share of conversions and money per conversion by currency; cells lean on their segment, segments on
    all.
    """
    segment = np.unique(np.array(cohorts.segments), return_inverse=True)[1]
    money = _by_currency(cohorts, cohorts.money, until, recency)
    payments = _by_currency(cohorts, cohorts.payments, until, recency)
    converted = recency @ cohorts.outcomes["converted"].known_before(until).by_day(until, cohorts.cells)
    all_paid, all_money = payments.sum(axis=0), money.sum(axis=0)
    mean = (all_money + 1e-9) / np.maximum(all_paid, 1e-9)
    by_segment = np.zeros((segment.max() + 1, money.shape[1], 2))
    np.add.at(by_segment, segment, np.stack([payments, money], axis=2))
    of_segment = (by_segment[..., 1] + 6 * mean) / (by_segment[..., 0] + 6)
    amount = (money + 6 * of_segment[segment]) / (payments + 6)
    overall = (all_paid + 1e-9) / (all_paid.sum() + 1e-9 * len(all_paid))
    share_segment = (by_segment[..., 0] + 10 * overall) / (by_segment[..., 0].sum(axis=1, keepdims=True) + 10)
    share = (payments + 10 * share_segment[segment]) / (payments.sum(axis=1, keepdims=True) + 10)
    several = payments.sum() / converted.sum() if converted.sum() > 0 else 1.0
    return share, amount * max(float(several), 1.0)


def _by_currency(cohorts: Cohorts, paid: dict[str, Outcome], until: int, recency: Floats) -> Floats:
    """(cells, currencies) recent sums; no column where there is no account, and so no currency."""
    sums = np.zeros((cohorts.cells, len(paid)))
    for column, part in enumerate(paid.values()):
        sums[:, column] = recency @ part.known_before(until).by_day(until, cohorts.cells)
    return sums
