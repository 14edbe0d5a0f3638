"""Possible futures of an outlook, drawn: counts, rates and money per group, day by day."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ml.forecast.cohorts import Floats
from ml.forecast.outlook import STEPS, Outlook
from ml.forecast.waits import draw_middles

LEVELS = (0.05, 0.5, 0.95)
_SPREAD_OF_MEDIAN = 1.5
"""Standard error of the log of a median of one wait: waits spread over about that many powers of e."""
_RATE_DRIFT, _WAIT_DRIFT = 0.05, 0.05


@dataclass(frozen=True)
class Uncertainty:
    """drift: log standard deviation of the volume per week; scatter: of single days; variation: of one
    amount; rates: step → log-odds standard deviations of its rate on single days, shared and of each group's own.

    lift: log standard deviation of how far outcomes under another policy differ from what the model says.
    """

    drift: float
    scatter: float
    variation: float
    rates: Mapping[str, tuple[float, float]]
    lift: float = 0.0


@dataclass(frozen=True)
class Shocks:
    """What all policies share in one possible future (R draws): standard normal, of the whole and of each
    group.
    """

    volume: Floats
    volume_of: Floats
    days: Floats
    rates: Floats
    rates_of: Floats
    rates_on: Floats
    amounts: Floats
    lift: Floats
    waits: Floats
    waits_of: Floats


def draw_shocks(rng: np.random.Generator, draws: int, days: int, groups: int, currencies: int) -> Shocks:
    """Shocks for `draws` futures; the same for every policy, so that policies can be compared pairwise."""
    return Shocks(
        volume=rng.standard_normal((draws, 1)),
        volume_of=rng.standard_normal((draws, groups)),
        days=rng.standard_normal((days, draws, 1)),
        rates=rng.standard_normal((len(STEPS), draws, 1)),
        rates_of=rng.standard_normal((len(STEPS), draws, groups)),
        rates_on=rng.standard_normal((days, len(STEPS), draws, 1)),
        amounts=rng.standard_normal((draws, groups, currencies)),
        lift=rng.standard_normal((draws, 1)),
        waits=rng.standard_normal((draws, 1)),
        waits_of=rng.standard_normal((draws, groups)),
    )


@dataclass(frozen=True)
class Drawn:
    """One day (or a sum of days) in R futures: (R, G) counts, (R, G, currencies) money."""

    sent: Floats
    steps: dict[str, Floats]
    money: Floats

    def plus(self, other: "Drawn") -> "Drawn":
        """Two spans of days together."""
        steps = {name: part + other.steps[name] for name, part in self.steps.items()}
        return Drawn(self.sent + other.sent, steps, self.money + other.money)


def draw_days(
    rng: np.random.Generator,
    outlook: Outlook,
    shocks: Shocks,
    uncertainty: Uncertainty,
    each: Callable[[int, Drawn], None],
    limit: Floats | None = None,
) -> Drawn:
    """Draws every day in order, hands it to `each`, returns the sum. limit: (G, currencies) that no group
    can pass.
    """
    total: Drawn | None = None
    for day in range(len(outlook.sent)):
        drawn = _draw_day(rng, outlook, shocks, uncertainty, day)
        if limit is not None and total is not None:
            drawn = Drawn(drawn.sent, drawn.steps, np.clip(limit - total.money, 0.0, drawn.money))
        elif limit is not None:
            drawn = Drawn(drawn.sent, drawn.steps, np.minimum(limit, drawn.money))
        each(day, drawn)
        total = drawn if total is None else total.plus(drawn)
    assert total is not None  # noqa: S101 - a horizon has at least one day
    return total


def _draw_day(
    rng: np.random.Generator, outlook: Outlook, shocks: Shocks, uncertainty: Uncertainty, day: int
) -> Drawn:
    weeks = np.sqrt((day + 1) / 7)
    level = uncertainty.drift * weeks * (shocks.volume + 0.7 * shocks.volume_of)
    level = level + uncertainty.scatter * shocks.days[day]
    sent = rng.poisson(np.minimum(outlook.sent[day] * np.exp(level), 1e12)).astype(np.float64)
    chance = {
        name: _shocked(rng, outlook, name, index, shocks, uncertainty, day)
        for index, name in enumerate(STEPS)
    }
    delivered = _binomial(rng, sent, chance["delivered"])
    opened = _binomial(rng, delivered, chance["opened"])
    clicked = _binomial(rng, opened, np.minimum(chance["clicked"] / np.maximum(chance["opened"], 1e-12), 1.0))
    converted = _binomial(rng, delivered, chance["converted"])
    money = _draw_money(rng, outlook, converted, shocks, uncertainty)
    return Drawn(
        sent, {"delivered": delivered, "opened": opened, "clicked": clicked, "converted": converted}, money
    )


def _binomial(rng: np.random.Generator, count: Floats, chance: Floats) -> Floats:
    return rng.binomial(count.astype(np.int64), np.clip(chance, 0.0, 1.0)).astype(np.float64)


def _shocked(
    rng: np.random.Generator,
    outlook: Outlook,
    name: str,
    index: int,
    shocks: Shocks,
    uncertainty: Uncertainty,
    day: int,
) -> Floats:
    """(R, G) the day's rate with the error of its estimate, its drift, the day's own whim and the error of a policy's
    effect.
    """
    shared, own = uncertainty.rates[name]
    base = outlook.sent[day] if name == "delivered" else outlook.steps["delivered"][day]
    rate = np.clip(outlook.steps[name][day] / np.maximum(base, 1e-12), 1e-9, 1 - 1e-9)
    error = np.sqrt(1 / np.maximum(outlook.weight[name] * rate * (1 - rate), 0.5))
    drift = _RATE_DRIFT * np.sqrt(1 + day / 14)
    logit = np.log(rate / (1 - rate)) + np.minimum(error, 1.5) * shocks.rates_of[index]
    logit = (
        logit
        + drift * shocks.rates[index]
        + uncertainty.lift * shocks.lift
        + shared * shocks.rates_on[day, index]
    )
    if own > 0 and len(rate) > 1:
        logit = logit + own * rng.standard_normal(logit.shape)
    shocked = 1 / (1 + np.exp(-logit))
    return np.where(base > 0, shocked, 0.0)


def draw_waits(
    rng: np.random.Generator, outlook: Outlook, waits: Floats, opened: Floats, shocks: Shocks
) -> Floats:
    """(R, G) median seconds from sending to opening of `opened` (R, G) messages; waits: (G, bands) expected ones."""
    error = np.minimum(_SPREAD_OF_MEDIAN / np.sqrt(np.maximum(outlook.waits_weight, 1.0)), 1.5)
    middles = draw_middles(rng, waits, opened)
    return middles * np.exp(error * shocks.waits_of + _WAIT_DRIFT * shocks.waits)


def _draw_money(
    rng: np.random.Generator, outlook: Outlook, converted: Floats, shocks: Shocks, uncertainty: Uncertainty
) -> Floats:
    """Conversions are dealt to currencies, and each brings an amount; the mean amount is itself uncertain."""
    money = np.zeros((*converted.shape, outlook.share.shape[1]))
    left, share_left = converted.copy(), np.ones(outlook.share.shape[0])
    squared = max(uncertainty.variation, 0.05) ** 2
    for currency in range(outlook.share.shape[1]):
        chance = np.clip(outlook.share[:, currency] / np.maximum(share_left, 1e-12), 0.0, 1.0)
        count = _binomial(rng, left, np.broadcast_to(chance, left.shape))
        rests_on = outlook.conversions[:, currency] + 2.0
        mean = outlook.amount[:, currency] * np.exp(
            shocks.amounts[:, :, currency] * np.sqrt(squared / rests_on) - squared / rests_on / 2
        )
        drawn = rng.gamma(np.maximum(count / squared, 1e-9), squared) * mean
        money[:, :, currency] = np.where(count > 0, drawn, 0.0)
        left, share_left = left - count, share_left - outlook.share[:, currency]
    return money
