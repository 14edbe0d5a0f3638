"""Draws two pictures of docs/decisions.md from the demo: how calibrated the models are, and how fast people react.

    python -m bench.curves docs

Calibration is that of contacts later than all the models had learned from. Each reaction curve is the mean over the
channel's contacts; the dots are the Kaplan–Meier estimate of the same contacts.
"""

import sys
from datetime import UTC, datetime, time
from pathlib import Path

import matplotlib as mpl
import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.picture import CHANNEL_COLOURS, DEBTORS, END, SEED
from ml.arrays import Floats
from ml.casework import cells_of, gather
from ml.evaluation import StepHoldOut
from ml.features import Casebook
from ml.frames import History
from ml.hazard import kaplan_meier
from ml.model import REACTION_EDGES, TrainedModel
from ml.outcomes import CHANNELS, HORIZON_SECONDS
from ml.recipe import train
from ml.simulator import simulate

_INK, _PALE, _GRID = "#26323d", "#5f6b76", "#e3e7ea"
_GROUPS = 10
_LEAST_REACTIONS = 60
_TICKS = {60: "1 min", 600: "10 min", 3_600: "1 h", 21_600: "6 h", 86_400: "1 day", 604_800: "1 week"}


def main(arguments: list[str]) -> int:
    """Draw into the folder given."""
    if len(arguments) != 1:
        print("usage: python -m bench.curves FOLDER", file=sys.stderr)
        return 2
    as_of = datetime.combine(END, time(), UTC)
    print(f"simulating {DEBTORS:,} debtors and training on them …", flush=True)
    history = History.from_facts(simulate(DEBTORS, SEED, END).facts, as_of=as_of, currency="EUR")
    model = train(history, as_of=as_of, seed=SEED)
    mpl.rcParams.update({"font.family": "DejaVu Sans", "text.color": _INK, "axes.labelcolor": _PALE})
    for name, figure in (
        ("calibration", _calibration(model)),
        ("reaction-times", _reactions(model, history)),
    ):
        path = Path(arguments[0]) / f"{name}.png"
        figure.savefig(path, dpi=130)
        print(f"wrote {path}")
    return 0


def _figure(title: str, text: str) -> tuple[Figure, tuple[Axes, Axes]]:
    figure = Figure(figsize=(13, 5.8), facecolor="white")
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.065, right=0.975, top=0.76, bottom=0.12, wspace=0.18)
    figure.text(0.02, 0.965, title, fontsize=19, fontweight="bold", va="top")
    figure.text(0.02, 0.888, text, fontsize=10.5, color=_PALE, va="top")
    for axes in (left, right):
        axes.grid(color=_GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(length=0, labelcolor=_PALE, labelsize=9)
        for side in axes.spines.values():
            side.set_visible(False)
    return figure, (left, right)


# ---- calibration ----


def _calibration(model: TrainedModel) -> Figure:
    figure, both = _figure(
        "What is predicted, and what comes",
        "Contacts later than all that the models had learned from, in tenths by predicted chance; bars are 90 % "
        "intervals. On the line, predictions are right.",
    )
    assert model.holdout is not None
    titles = {"engaged": "opened or answered", "converted": "paid within 30 days"}
    for axes, (name, title) in zip(both, titles.items(), strict=True):
        _draw_step(axes, model.holdout.steps[name], title)
    return figure


def _draw_step(axes: Axes, step: StepHoldOut, title: str) -> None:
    order = np.argsort(step.chance, kind="stable")
    groups = np.array_split(order, _GROUPS)
    predicted = np.array([step.chance[rows].mean() for rows in groups])
    observed = np.array([step.label[rows].mean() for rows in groups])
    count = np.array([len(rows) for rows in groups])
    error = 1.645 * np.sqrt(np.maximum(observed * (1 - observed), 1e-6) / count)
    top = 1.12 * float(max(predicted.max(), (observed + error).max()))
    axes.plot([0, top], [0, top], color=_PALE, linewidth=1.2, linestyle=(0, (5, 4)))
    axes.errorbar(
        predicted, observed, error, fmt="o", ms=6.5, color="#3b6fb6", ecolor="#9db7da", elinewidth=2
    )
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="predicted", ylabel="observed")
    axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0 if top > 0.1 else 1))
    axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0 if top > 0.1 else 1))
    axes.set_title(f"{title}: {len(step):,} contacts", fontsize=11.5, fontweight="bold", loc="left")


# ---- reaction times ----


def _reactions(model: TrainedModel, history: History) -> Figure:
    figure, both = _figure(
        "How long people take",
        "Of those who open, or pay, within 30 days of a message: the share that has by then. Lines: the models; dots: "
        "Kaplan–Meier.",
    )
    book = Casebook(history)
    everything = gather(book, use_age=False).known_at(book.outcomes.seen_until)
    cells, outcomes = cells_of(everything, model.conversion.rhythms), book.outcomes
    for axes, timing, event, title in (
        (both[0], model.open_time, outcomes.opened_at, "seconds to open"),
        (both[1], model.pay_time, outcomes.paid_at, "seconds to pay"),
    ):
        seconds = outcomes.seconds_to(event)
        for code, channel in enumerate(CHANNELS):
            mine = np.flatnonzero(outcomes.channel == code)
            if np.sum(seconds[mine] <= HORIZON_SECONDS) < _LEAST_REACTIONS:
                continue
            curve = timing.curve(cells.take(mine), 2).mean(axis=0)
            colour = CHANNEL_COLOURS[channel]
            axes.plot(REACTION_EDGES[1:], curve, color=colour, linewidth=2.2, label=channel)
            seen = _observed(seconds[mine], outcomes.followed_seconds[mine])
            axes.plot(REACTION_EDGES[1:], seen, "o", ms=4, mfc="white", mec=colour)
        axes.set_xscale("log")
        axes.set_xticks(list(_TICKS), list(_TICKS.values()))
        axes.minorticks_off()
        axes.set_xlim(30, HORIZON_SECONDS)
        axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))
        axes.set_title(title, fontsize=11.5, fontweight="bold", loc="left")
        axes.legend(frameon=False, fontsize=9, labelcolor=_PALE)
    return figure


def _observed(seconds: Floats, followed: Floats) -> Floats:
    times, survival = kaplan_meier(seconds, followed)
    place = np.searchsorted(times, REACTION_EDGES[1:], side="right")
    reacted = 1 - np.concatenate([[1.0], survival])[place]
    return np.asarray(reacted / max(reacted[-1], 1e-12))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
