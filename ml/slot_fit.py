"""How the random effects of hours (`ml.slot_effects`) are fitted.

By iteratively reweighted least squares on cell sums with backfitting. How far a factor's effects lie apart is told by
the Fellner–Schall fixed point; which hours rise and fall together in its curves by expectation–maximisation, drawn
towards smooth ones: hours seldom tried then lean on those that go with them in other curves. Days of the week alike.
Sources: Wood & Fasiolo 2017; Laird & Ware 1982. Measured: docs/adr/0029, 0035.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.arrays import Floats, Ints, Singles, sums_by
from ml.boosting import sigmoid
from ml.slot_effects import (
    FADING_BUCKETS,
    Cells,
    Over,
    Shape,
    SlotEffects,
    Term,
    codes_of,
    distinct_cells,
    no_effects,
    size_of,
    terms_of,
)

PRIOR_WEIGHT = 1.0
"""How many effects the prior variance of a factor weighs as much as."""

SHAPE_WEIGHT = 10.0
"""How many curves it weighs as much as that hours, or days, near one another rise and fall together."""

_REWEIGHTINGS, _SWEEPS = 8, 3
_REPLICATE_REWEIGHTINGS, _REPLICATE_SWEEPS = 2, 4
_NOTHING = 1e-9


@dataclass(frozen=True)
class SlotRows:
    """Contacts to fit the hours of one step to, those that count. kept: their positions among all; start: (n,) margins
    of stage A; label in [0, 1]; weight > 0; cells: the distinct ones; place: (n,) which of them each is in; layout: of
    the cells, worked out once for all fits."""

    kept: Ints
    start: Floats
    label: Floats
    weight: Floats
    cells: Cells
    place: Ints
    shape: Shape
    layout: "_Layout"

    @classmethod
    def of(cls, cells: Cells, start: Floats, label: Floats, weight: Floats, shape: Shape) -> "SlotRows":
        """Of contacts with weight ≥ 0, 0 leaving one out."""
        kept = np.flatnonzero(weight > 0)
        distinct, place = distinct_cells(cells.take(kept), shape)
        layout = _Layout(distinct, shape)
        return cls(kept, start[kept], label[kept], weight[kept], distinct, place, shape, layout)

    def added_up(self) -> "SlotRows":
        """One for each cell, whose contacts must all start from the same margin: they tell the same."""
        size = len(self.cells.slot)
        weight, start = sums_by(self.place, self.weight, size), np.zeros(size)
        label = sums_by(self.place, self.weight * self.label, size) / weight
        start[self.place] = self.start
        each = np.arange(size)
        return SlotRows(each, start, label, weight, self.cells, each, self.shape, self.layout)


def fit_slot_effects(rows: SlotRows) -> SlotEffects:
    """The effects of hours; none where no contact tells anything."""
    if not len(rows.kept):
        return no_effects(rows.shape)
    return _fitted(rows, np.ones(1), None)


def replicate_slot_effects(
    rows: SlotRows, near: SlotEffects, times: Sequence[Floats]
) -> tuple[SlotEffects, ...]:
    """The fit again for each of `times`, how often every contact counts, those that were left out among them; begun
    from `near`, the fit of all once, whose variances are kept."""
    if not len(rows.kept) or not times:
        return tuple(near for _ in times)
    return tuple(_fitted(rows, each[rows.kept], near) for each in times)


def _fitted(rows: SlotRows, times: Floats, near: SlotEffects | None) -> SlotEffects:
    fit, cells, weight = _Backfit(rows.layout, near), rows.layout.cells, rows.weight * times
    for _ in range(_REWEIGHTINGS if near is None else _REPLICATE_REWEIGHTINGS):
        chance = sigmoid(rows.start + fit.shift()[rows.place])
        score = sums_by(rows.place, weight * (rows.label - chance), cells)
        information = sums_by(rows.place, weight * chance * (1 - chance), cells) + _NOTHING
        fit.sweep(score, information, _SWEEPS if near is None else _REPLICATE_SWEEPS)
    effects, doubts = tuple(fit.effects_everywhere()), tuple(fit.doubts_everywhere())
    return SlotEffects(rows.shape, fit.intercept, effects, tuple(fit.variances), doubts)


class _Layout:
    """Which level of every term each distinct cell has; curves of hours over those that occur."""

    def __init__(self, cells: Cells, shape: Shape) -> None:
        self.cells = len(cells.slot)
        self.terms = terms_of(shape)
        self.hours = np.unique(cells.slot % 24)
        compact = np.searchsorted(self.hours, np.arange(24))
        past = np.zeros(len(cells.slot)) if cells.past is None else cells.past / FADING_BUCKETS
        self.codes, self.sizes, self.scale = [], [], []
        for term in self.terms:
            code, size = codes_of(term, cells, shape), size_of(term, shape)
            if term.factor.over is Over.HOURS:
                code, size = code // 24 * len(self.hours) + compact[code % 24], size // 24 * len(self.hours)
            self.codes.append(code)
            self.sizes.append(size)
            self.scale.append(past if term.factor.past else None)


class _Backfit:
    """Effects on their way to the fit; each term in turn takes up what the others leave of the score.

    Curves of hours are fitted over those that occur; the others follow from the kernel at the end.
    """

    def __init__(self, layout: _Layout, near: SlotEffects | None) -> None:
        self.terms, self.hours = layout.terms, layout.hours
        self.codes, self.sizes, self.scale = layout.codes, layout.sizes, layout.scale
        self.learns = near is None
        self.intercept = 0.0 if near is None else near.intercept
        self.kernels = {Over.DAYS: _DAYS, Over.HOURS: _HOURS[np.ix_(self.hours, self.hours)]}
        self.variances = (
            [self._first_guess(term) for term in self.terms] if near is None else list(near.variances)
        )
        self.effects = [np.zeros(size) for size in self.sizes]
        self.solvers: list[_Levels | _Curves] = []
        if near is not None:
            for place, (term, effect) in enumerate(zip(self.terms, near.effects, strict=True)):
                of_hours = term.factor.over is Over.HOURS
                known = effect.reshape(-1, 24)[:, self.hours].ravel() if of_hours else effect
                self.effects[place] = known.copy()

    def _first_guess(self, term: Term) -> Floats:
        return np.asarray(term.factor.spread**2 * self.kernels.get(term.factor.over, 1.0))

    def shift(self) -> Floats:
        """(cells,) log-odds as they stand."""
        total = np.full(len(self.codes[0]), self.intercept)
        for effect, code, scale in zip(self.effects, self.codes, self.scale, strict=True):
            total += effect[code] if scale is None else scale * effect[code]
        return total

    def sweep(self, score: Floats, information: Floats, sweeps: int) -> None:
        """Rounds over the terms; `score` is the gradient left to explain, used up in place. Variances
        follow at the end."""
        weights = [
            sums_by(code, information if scale is None else information * scale**2, size)
            for code, size, scale in zip(self.codes, self.sizes, self.scale, strict=True)
        ]
        solvers = [
            _Levels(weight, float(variance))
            if term.factor.over is Over.NOTHING
            else _Curves(weight, variance, self.kernels[term.factor.over])
            for term, weight, variance in zip(self.terms, weights, self.variances, strict=True)
        ]
        total = information.sum()
        for _ in range(sweeps):
            step = float(score.sum() / total)
            self.intercept += step
            score -= information * step
            for place, solver in enumerate(solvers):
                self._update(place, solver, weights[place], score, information)
        if self.learns:
            for place, (term, solver) in enumerate(zip(self.terms, solvers, strict=True)):
                effect = self.effects[place]
                energy = solver.energy(effect) + PRIOR_WEIGHT * term.factor.spread**2
                self.variances[place] = solver.spread(effect, energy / (solver.freedom + PRIOR_WEIGHT))
            self.solvers = solvers

    def _update(
        self, place: int, solver: "_Levels | _Curves", weight: Floats, score: Floats, information: Floats
    ) -> None:
        code, scale, effect = self.codes[place], self.scale[place], self.effects[place]
        seen = score if scale is None else score * scale
        fitted = solver.fit(sums_by(code, seen, self.sizes[place]) + weight * effect)
        change = (fitted - effect)[code]
        score -= information * (change if scale is None else change * scale)
        self.effects[place] = fitted

    def effects_everywhere(self) -> list[Floats]:
        """Effects with curves of hours carried to all 24."""
        spread = _HOURS[:, self.hours] @ np.linalg.inv(self.kernels[Over.HOURS])
        return [
            (effect.reshape(-1, len(self.hours)) @ spread.T).ravel()
            if term.factor.over is Over.HOURS
            else effect
            for term, effect in zip(self.terms, self.effects, strict=True)
        ]

    def doubts_everywhere(self) -> list[Singles]:
        """What variance each effect is left with, none of a replicate's; hours that never occurred are known no better
        than the least known of their curve."""
        found = []
        for term, solver in zip(self.terms, self.solvers, strict=False):
            left = solver.left()
            if term.factor.over is Over.HOURS:
                everywhere = np.repeat(left.max(axis=1, keepdims=True), 24, axis=1)
                everywhere[:, self.hours] = left
                left = everywhere
            found.append((np.zeros(0) if term.factor.past else left.ravel()).astype(np.float32))
        return found


class _Levels:
    """Independent effects under one variance."""

    def __init__(self, weight: Floats, variance: float) -> None:
        self.precision = weight + 1.0 / variance
        self.freedom = float((weight / self.precision).sum())

    def fit(self, aim: Floats) -> Floats:
        """Posterior means; aim: weighted sums of what is to be explained."""
        return np.asarray(aim / self.precision)

    def left(self) -> Floats:
        """(effects,) posterior variances."""
        return np.asarray(1.0 / self.precision)

    def energy(self, effect: Floats) -> float:
        """What the effects spend of their variance."""
        return float(np.sum(effect**2))

    def spread(self, effect: Floats, scale: float) -> Floats:
        """() their variance."""
        del effect
        return np.array(scale)


class _Curves:
    """Curves over hours or days under one covariance; those nobody tells anything about stay flat."""

    def __init__(self, weight: Floats, covariance: Floats, kernel: Floats) -> None:
        self.kernel, self.prior = kernel, covariance
        table = weight.reshape(-1, len(kernel))
        self.curves = len(table)
        self.told = np.flatnonzero(table.sum(axis=1) > 1e-6)
        system = np.linalg.inv(covariance) + table[self.told][:, :, None] * np.eye(len(kernel))
        self.covariance = np.linalg.inv(system)
        self.freedom = float(np.sum(np.diagonal(self.covariance, axis1=1, axis2=2) * table[self.told]))

    def fit(self, aim: Floats) -> Floats:
        """Posterior means; aim: weighted sums of what is to be explained."""
        width = len(self.kernel)
        fitted = np.zeros((len(aim) // width, width))
        fitted[self.told] = np.matmul(self.covariance, aim.reshape(-1, width)[self.told][:, :, None])[:, :, 0]
        return fitted.ravel()

    def left(self) -> Floats:
        """(curves, places) posterior variances; a curve that nobody tells anything about keeps what curves have."""
        found = np.tile(np.diagonal(self.prior), (self.curves, 1))
        found[self.told] = np.diagonal(self.covariance, axis1=1, axis2=2)
        return found

    def energy(self, effect: Floats) -> float:
        """What the curves spend of their variance, were they smooth ones."""
        curves = effect.reshape(-1, len(self.kernel))
        return float(np.sum((curves @ np.linalg.inv(self.kernel)) * curves))

    def spread(self, effect: Floats, scale: float) -> Floats:
        """(places, places) their covariance, as the curves have it; smooth ones' at this scale where there are few."""
        curves = effect.reshape(-1, len(self.kernel))[self.told]
        seen = curves.T @ curves + self.covariance.sum(axis=0)
        return np.asarray((seen + SHAPE_WEIGHT * scale * self.kernel) / (len(curves) + SHAPE_WEIGHT))


def _around(places: int) -> Ints:
    """(places, places) how far they lie apart on a circle."""
    gap = np.abs(np.arange(places)[:, None] - np.arange(places)[None, :])
    return np.asarray(np.minimum(gap, places - gap))


def _of_hours() -> Floats:
    """(24, 24) covariance of a curve's hours: part smooth over a few hours, part over a long while, part rough."""
    gap = _around(24)
    smooth = 0.55 * np.exp(-0.5 * (gap / 2.0) ** 2) + 0.3 * np.exp(-0.5 * (gap / 5.0) ** 2)
    return np.asarray(smooth + 0.15 * np.eye(24))


def _of_days() -> Floats:
    """(7, 7) covariance of a curve's days: part smooth, part alike on weekends and on working days, part by itself."""
    weekend = np.arange(7) >= 5
    alike = 0.25 * np.exp(-0.5 * (_around(7) / 1.5) ** 2) + 0.35 * (weekend[:, None] == weekend[None, :])
    return np.asarray(alike + 0.4 * np.eye(7))


_HOURS, _DAYS = _of_hours(), _of_days()
"""Which places of a curve rise and fall together before anything is told."""
