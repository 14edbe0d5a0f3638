"""Gradient-boosted trees with settings that give the same trees for the same data and seed, on any
number of threads."""

from dataclasses import dataclass, field
from typing import Any, TypedDict, TypeVar

import lightgbm
import numpy as np
from numpy.typing import NDArray

from ml.arrays import Bools, Floats, Ints

_ROWS_PER_THREAD = 60_000
_MOST_ROWS_TO_CONFIRM = 100_000
_LEFT_OUT = 0.2
_PATIENCE = 15
_Real = TypeVar("_Real", np.float32, np.float64)

FIXED: dict[str, Any] = {
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    "feature_pre_filter": False,
    "max_bin": 127,
    "cat_l2": 10.0,
    "cat_smooth": 20.0,
    "max_cat_threshold": 64,
}


@dataclass(frozen=True)
class Settings:
    """How to grow one model; `extra` goes to LightGBM as it is."""

    objective: str = "binary"
    rounds: int = 150
    learning_rate: float = 0.06
    leaves: int = 15
    least_in_leaf: int = 80
    l2: float = 5.0
    extra: dict[str, Any] = field(default_factory=dict)

    def parameters(self, *, seed: int, threads: int) -> dict[str, Any]:
        """The parameter set LightGBM takes."""
        return {
            **FIXED,
            "objective": self.objective,
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": self.least_in_leaf,
            "lambda_l2": self.l2,
            "seed": seed,
            "num_threads": threads,
            **self.extra,
        }


class Growing(TypedDict):
    """What every call about the same trees shares: columns that hold categories, the seed, threads to use."""

    categorical: list[int]
    seed: int
    threads: int


def grow(
    matrix: np.ndarray[Any, Any],
    label: Floats,
    weight: Floats,
    *,
    settings: Settings,
    categorical: list[int],
    seed: int,
    threads: int,
    init_score: Floats | None = None,
) -> lightgbm.Booster:
    """Fits trees; rows of weight 0 are left out. init_score: margin to start from, per row."""
    rows = np.flatnonzero(weight > 0)
    dataset = lightgbm.Dataset(
        matrix[rows],
        label=label[rows],
        weight=weight[rows],
        init_score=None if init_score is None else init_score[rows],
        categorical_feature=categorical,
        free_raw_data=True,
    )
    parameters = settings.parameters(seed=seed, threads=_useful(threads, len(rows)))
    return lightgbm.train(parameters, dataset, num_boost_round=settings.rounds)


def confirmed_rounds(
    matrix: np.ndarray[Any, Any],
    label: Floats,
    weight: Floats,
    debtor: Ints,
    *,
    settings: Settings,
    categorical: list[int],
    seed: int,
    threads: int,
    init_score: Floats,
) -> int:
    """How many rounds of `settings`, at most its own, still help on debtors that were left out of growing.

    Few payments are soon learned by heart; a fifth of the debtors, and at most 100,000 rows, tell when.
    """
    rows = np.flatnonzero(weight > 0)
    if len(rows) > _MOST_ROWS_TO_CONFIRM:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MOST_ROWS_TO_CONFIRM, replace=False))
    left_out = np.random.default_rng(seed).random(int(debtor.max(initial=0)) + 1)[debtor[rows]] < _LEFT_OUT
    if not left_out.any() or left_out.all():
        return settings.rounds
    grown, kept = (
        lightgbm.Dataset(
            matrix[some],
            label=label[some],
            weight=weight[some],
            init_score=init_score[some],
            categorical_feature=categorical,
        )
        for some in (rows[~left_out], rows[left_out])
    )
    parameters = settings.parameters(seed=seed, threads=_useful(threads, len(rows)))
    return _stopped(grown, kept, parameters, settings).num_trees()


def grow_in_parts(
    matrix: np.ndarray[Any, Any],
    label: Floats,
    weight: Floats,
    subject: Ints,
    *,
    settings: Settings,
    parts: int,
    categorical: list[int],
    seed: int,
    threads: int,
    init_score: Floats,
) -> list[lightgbm.Booster]:
    """Trees grown `parts` times, each on all subjects but its part of them, who tell when to stop; at most the
    rounds of `settings`. To be averaged: no subject's own outcome then decides alone."""
    part_of = np.random.default_rng(seed).permutation(int(subject.max(initial=0)) + 1)[subject] % parts
    grown = (
        grow_without(
            part_of == part,
            matrix,
            label,
            weight,
            settings=settings,
            categorical=categorical,
            seed=seed + part,
            threads=threads,
            init_score=init_score,
        )
        for part in range(parts)
    )
    return [trees for trees in grown if trees is not None]


def grow_without(
    left_out: Bools,
    matrix: np.ndarray[Any, Any],
    label: Floats,
    weight: Floats,
    *,
    settings: Settings,
    categorical: list[int],
    seed: int,
    threads: int,
    init_score: Floats,
) -> lightgbm.Booster | None:
    """Trees grown on all rows but those left out, which tell when to stop; None where either are none."""
    if left_out.all() or not left_out.any():
        return None
    grown, kept = (
        lightgbm.Dataset(
            matrix[some],
            label=label[some],
            weight=weight[some],
            init_score=init_score[some],
            categorical_feature=categorical,
        )
        for some in (np.flatnonzero(~left_out), np.flatnonzero(left_out))
    )
    return _stopped(
        grown, kept, settings.parameters(seed=seed, threads=_useful(threads, len(label))), settings
    )


def _stopped(
    grown: lightgbm.Dataset, kept: lightgbm.Dataset, parameters: dict[str, Any], settings: Settings
) -> lightgbm.Booster:
    """Trees of the rounds that still help on the rows kept out."""
    kept.set_reference(grown)
    booster = lightgbm.train(
        {**parameters, "metric": settings.objective},
        grown,
        num_boost_round=settings.rounds,
        valid_sets=[kept],
        callbacks=[lightgbm.early_stopping(_PATIENCE, verbose=False)],
    )
    best = max(booster.best_iteration, 1)
    return lightgbm.Booster(model_str=booster.model_to_string(num_iteration=best))


def margin(booster: lightgbm.Booster, matrix: np.ndarray[Any, Any], threads: int) -> Floats:
    """Raw scores (n,), without any init_score. Early stopping of prediction is never used: it moves
    probabilities."""
    if not len(matrix):
        return np.zeros(0)
    return np.asarray(
        booster.predict(matrix, raw_score=True, num_threads=_useful(threads, len(matrix))), dtype=np.float64
    )


def _useful(threads: int, rows: int) -> int:
    """As many threads as have enough to do: on few rows they cost more than they bring."""
    return max(1, min(threads, rows // _ROWS_PER_THREAD))


def sigmoid(margins: NDArray[_Real]) -> NDArray[_Real]:
    """Logistic function, safe for large margins; in the precision of `margins`."""
    chance = np.clip(margins, -35, 35)
    np.negative(chance, out=chance)
    np.exp(chance, out=chance)
    chance += 1.0
    return np.asarray(np.reciprocal(chance, out=chance))


def logit(probability: float) -> float:
    """Log-odds of a probability, kept off 0 and 1."""
    inside = min(max(probability, 1e-6), 1 - 1e-6)
    return float(np.log(inside / (1 - inside)))
