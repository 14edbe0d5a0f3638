"""The plan worth most under limits: which debtor to contact on which channel and day, so that capacities and a budget
hold.

Up to `MOST_EXACT` options a linear program (scipy's HiGHS) is solved; its few fractional debtors are settled greedily.
Beyond that the same program's dual is minimised on a sample, smoothed, and its prices rank all options. Either way what
is left of the limits is filled greedily, and no limit is ever exceeded. Deterministic under a seed.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linprog, minimize
from scipy.sparse import csr_array

from ml.arrays import Bools, Floats, Ints

MOST_EXACT = 60_000
_SAMPLE = 60_000
_SMOOTHINGS = (0.1, 0.02, 0.004)
_SLACK = 1e-9
NOBODY = -1


@dataclass(frozen=True)
class Limits:
    """per_day, total: (channels,) most contacts on a day, in all; budget: most money. inf: no limit."""

    per_day: Floats
    total: Floats
    budget: float

    def widened(self, share: float) -> "Limits":
        """What may be chosen when a share of the chosen is left alone after all."""
        kept = 1.0 - share
        return Limits(
            np.floor(self.per_day / kept + _SLACK), np.floor(self.total / kept + _SLACK), self.budget / kept
        )


@dataclass(frozen=True)
class Assignment:
    """option: (n,) channel · days + day chosen for each debtor, or NOBODY. bound: no plan is worth more than this.
    method: UNLIMITED, LINEAR_PROGRAM or LAGRANGIAN."""

    option: Ints
    bound: float
    method: str


def assign(
    worth: Floats, cost: Floats, limits: Limits, *, seed: int, exact: bool | None = None
) -> Assignment:
    """The assignment of at most one contact to each debtor that is worth most within the limits.

    worth: (n, channels, days) what a contact is worth, −inf where it may not be; one that is worth nothing is never
    chosen. cost: (channels,) of one contact. exact: whether to solve the linear program; default: by its size.
    """
    count, channels, days = worth.shape
    flat = np.where(worth > 0, worth, -np.inf).reshape(count, channels * days).astype(np.float64)
    unlimited = _best(flat)
    top = float(_value(flat, unlimited))
    if _within(unlimited, cost, limits, days):
        return Assignment(unlimited, top, "UNLIMITED")
    if exact is None:
        exact = int(np.isfinite(flat).sum()) <= MOST_EXACT
    if exact:
        option, prices, bound = _linear_program(flat, cost, limits, days)
    else:
        option = np.full(count, NOBODY, dtype=np.int64)
        prices = _dual_prices(flat, cost, limits, days, seed)
        bound = _dual(flat, prices, limits, cost, days)
    return Assignment(
        _fill(flat, prices.of_options(cost, days), cost, limits, days, option),
        min(bound, top),
        "LINEAR_PROGRAM" if exact else "LAGRANGIAN",
    )


def hold_out(option: Ints, share: float, cost: Floats, days: int, *, seed: int) -> Bools:
    """(n,) which of the debtors chosen are left alone after all: each with just this probability.

    Drawn systematically over channel and day, so that each day's and channel's part is held out as evenly as can be,
    and what remains of `Limits.widened` fits the limits; of the budget, but for about one contact of the costliest,
    since channels come in the order of their cost.
    """
    rng = np.random.default_rng([seed, 1])
    chosen = np.flatnonzero(option >= 0)
    channel = option[chosen] // days
    order = chosen[np.lexsort((rng.random(len(chosen)), option[chosen], cost[channel]))]
    steps = np.floor(np.arange(len(order) + 1) * share + rng.random())
    held = np.zeros(len(option), dtype=bool)
    held[order] = np.diff(steps) > 0
    return held


def trim(option: Ints, worth: Floats, cost: Floats, limits: Limits) -> Ints:
    """The assignment without the least worthy contacts beyond the limits; the same one where it holds them.

    Where the budget is exceeded, as few contacts as can be are given up: a little money is not saved on many cheap
    ones when one that costs more frees it.
    """
    count, channels, days = worth.shape
    flat = worth.reshape(count, channels * days)
    chosen = np.flatnonzero(option >= 0)
    order = chosen[np.argsort(-flat[chosen, option[chosen]], kind="stable")]
    unpaid = replace(limits, budget=np.inf)
    order = order[_accepted(option[order], cost, unpaid, days)]
    order = order[_paid_for(cost[option[order] // days], limits.budget)]
    kept = np.full_like(option, NOBODY)
    kept[order] = option[order]
    return kept


def _paid_for(spent: Floats, budget: float) -> Bools:
    """Which contacts the budget pays for. spent: (m,) what each costs, the worthiest first."""
    paid = np.ones(len(spent), dtype=bool)
    while (beyond := float(spent[paid].sum()) - budget) > _SLACK:
        enough = spent >= min(beyond, float(spent[paid].max()))
        paid[np.flatnonzero(paid & enough)[-1]] = False
    return paid


# ---- the linear program ----


@dataclass(frozen=True)
class _Prices:
    """What one more contact of a channel on a day, in all, and one more unit of money would be worth."""

    per_day: Floats
    total: Floats
    budget: float

    def of_options(self, cost: Floats, days: int) -> Floats:
        """(channels · days,) the price of each option."""
        whole = self.per_day.reshape(len(cost), days) + (self.total + self.budget * cost)[:, None]
        return np.asarray(whole.ravel())


def _linear_program(flat: Floats, cost: Floats, limits: Limits, days: int) -> tuple[Ints, _Prices, float]:
    debtor, option = np.nonzero(np.isfinite(flat))
    channel = option // days
    channels = len(cost)
    one = np.ones(len(debtor))
    blocks = (
        (debtor, one, np.ones(len(flat))),
        (option, one, np.repeat(limits.per_day, days)),
        (channel, one, limits.total),
        (np.zeros(len(debtor), dtype=np.int64), cost[channel], np.array([limits.budget])),
    )
    rows, columns, entries, bounds, offset = [], [], [], [], 0
    for row, entry, bound in blocks:
        rows.append(row + offset)
        columns.append(np.arange(len(debtor)))
        entries.append(entry)
        bounds.append(np.minimum(bound, 1e12))
        offset += len(bound)
    matrix = csr_array(
        (np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))),
        shape=(offset, len(debtor)),
    )
    solved = linprog(-flat[debtor, option], A_ub=matrix, b_ub=np.concatenate(bounds), method="highs")
    if not solved.success:
        raise ArithmeticError(f"the plan's linear program was not solved: {solved.message}")
    whole = solved.x > 0.5 + 1e-6
    chosen = np.full(len(flat), NOBODY, dtype=np.int64)
    chosen[debtor[whole]] = option[whole]
    price = -np.asarray(solved.ineqlin.marginals)[len(flat) :]
    prices = _Prices(price[: channels * days], price[channels * days : -1], float(price[-1]))
    return _feasible(chosen, flat, cost, limits, days), prices, float(-solved.fun)


def _feasible(option: Ints, flat: Floats, cost: Floats, limits: Limits, days: int) -> Ints:
    """What rounding up took too much is given back."""
    return trim(option, flat.reshape(len(flat), len(cost), days), cost, limits)


# ---- its dual ----


def _dual(flat: Floats, prices: _Prices, limits: Limits, cost: Floats, days: int) -> float:
    gains = np.maximum((flat - prices.of_options(cost, days)).max(axis=1, initial=0.0), 0.0)
    return float(gains.sum()) + _paid(prices, limits, days)


def _paid(prices: _Prices, limits: Limits, days: int) -> float:
    """What the limits are worth at these prices; a limit that is none has no price."""
    pairs = (
        (prices.per_day, np.repeat(limits.per_day, days)),
        (prices.total, limits.total),
        (np.array([prices.budget]), np.array([limits.budget])),
    )
    return sum(
        float(np.where(np.isfinite(limit), price * np.minimum(limit, 1e300), 0.0).sum())
        for price, limit in pairs
    )


def _dual_prices(flat: Floats, cost: Floats, limits: Limits, days: int, seed: int) -> _Prices:
    """Prices that minimise the smoothed dual, on a sample of the debtors with the limits scaled to it."""
    useful = np.flatnonzero(np.isfinite(flat).any(axis=1))
    sample = useful
    if len(useful) > _SAMPLE:
        sample = np.sort(np.random.default_rng([seed, 2]).choice(useful, _SAMPLE, replace=False))
    part = len(sample) / max(len(useful), 1)
    options = flat[sample]
    scale = max(float(options[np.isfinite(options)].mean()), 1e-12)
    options = options / scale
    channels = len(cost)
    cap = np.concatenate([np.repeat(limits.per_day, days), limits.total, [limits.budget / scale]]) * part
    spent = np.repeat(cost / scale, days)
    bounds = [(0.0, None if np.isfinite(limit) else 0.0) for limit in cap]
    finite = np.where(np.isfinite(cap), cap, 0.0)
    point = np.zeros(len(cap))

    def smoothed(x: Floats, smoothing: float) -> tuple[float, Floats]:
        price = x[: channels * days] + np.repeat(x[channels * days : -1], days) + x[-1] * spent
        margin = (options - price) / smoothing
        high = np.maximum(margin.max(axis=1), 0.0)
        weight = np.exp(margin - high[:, None])
        total = weight.sum(axis=1) + np.exp(-high)
        use = (weight / total[:, None]).sum(axis=0)
        value = smoothing * float((high + np.log(total)).sum()) + float(finite @ x)
        used = np.concatenate([use, use.reshape(channels, days).sum(axis=1), [float(use @ spent)]])
        return value, finite - used

    for smoothing in _SMOOTHINGS:
        solved = minimize(
            smoothed,
            point,
            args=(smoothing,),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": 80},
        )
        point = np.asarray(solved.x)
    return _Prices(point[: channels * days] * scale, point[channels * days : -1] * scale, float(point[-1]))


# ---- filling what is left ----


def _fill(flat: Floats, price: Floats, cost: Floats, limits: Limits, days: int, option: Ints) -> Ints:
    """Give debtors who have nothing yet their best option that still fits, the best gain over its price first."""
    option = option.copy()
    waiting = np.flatnonzero((option == NOBODY) & np.isfinite(flat).any(axis=1))
    while len(waiting):
        left = _left(option, cost, limits, days)
        possible = np.where(_fits_one(left, cost, days), flat[waiting] - price, -np.inf)
        best = possible.argmax(axis=1)
        gain = possible[np.arange(len(waiting)), best]
        able = np.flatnonzero(np.isfinite(gain))
        order = able[np.argsort(-gain[able], kind="stable")]
        fits = _accepted(best[order], cost, left, days)
        taken = order[fits]
        if not len(taken):
            break
        option[waiting[taken]] = best[taken]
        waiting = np.delete(waiting, taken)
    return option


def _left(option: Ints, cost: Floats, limits: Limits, days: int) -> "_Left":
    used = np.bincount(option[option >= 0], minlength=len(cost) * days).astype(np.float64)
    by_channel = used.reshape(len(cost), days).sum(axis=1)
    return _Left(
        np.repeat(limits.per_day, days) - used,
        limits.total - by_channel,
        limits.budget - float(by_channel @ cost),
    )


@dataclass(frozen=True)
class _Left:
    """What remains of the limits: per option, per channel, of the budget."""

    option: Floats
    total: Floats
    budget: float


def _fits_one(left: _Left, cost: Floats, days: int) -> Bools:
    """(channels · days,) whether one more contact fits."""
    channel = (left.total >= 1) & (cost <= left.budget + _SLACK)
    return np.asarray((left.option >= 1) & np.repeat(channel, days))


def _accepted(option: Ints, cost: Floats, limits: "Limits | _Left", days: int) -> Bools:
    """Which of the options, taken in order, fit the limits; one that does not fit still counts for those after it."""
    per_option = limits.option if isinstance(limits, _Left) else np.repeat(limits.per_day, days)
    channel = option // days
    fits = (_rank(option) < per_option[option]) & (_rank(channel) < limits.total[channel])
    spent = np.cumsum(np.where(fits, cost[channel], 0.0))
    return np.asarray(fits & (spent <= limits.budget + _SLACK))


def _rank(group: Ints) -> Ints:
    """How many of its own group come before each."""
    order = np.argsort(group, kind="stable")
    ranked = group[order]
    first = np.searchsorted(ranked, ranked, side="left")
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = np.arange(len(group)) - first
    return rank


def _best(flat: Floats) -> Ints:
    top = flat.argmax(axis=1) if flat.shape[1] else np.zeros(len(flat), dtype=np.int64)
    found = np.isfinite(flat).any(axis=1)
    return np.where(found, top, NOBODY)


def _value(flat: Floats, option: Ints) -> float:
    chosen = np.flatnonzero(option >= 0)
    return float(flat[chosen, option[chosen]].sum())


def _within(option: Ints, cost: Floats, limits: Limits, days: int) -> bool:
    left = _left(option, cost, limits, days)
    return bool((left.option >= 0).all() and (left.total >= 0).all() and left.budget >= -_SLACK)
