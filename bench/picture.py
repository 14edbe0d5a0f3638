"""Draws the send-time heat map of the README: what a message is worth, by segment and debtor-local hour of the week.

    python -m bench.picture docs/send-time-heatmap.png

The demo portfolio is simulated and the models are trained on it; each row shows the channel recommended for a segment.
"""

import sys
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from ml.actions import WEEKDAYS, lawful_hours
from ml.arrays import Floats
from ml.frames import History
from ml.local_time import MICROSECONDS
from ml.model import TrainedModel
from ml.outcomes import CHANNELS
from ml.recipe import train
from ml.segment_plans import plan_segments
from ml.simulator import simulate
from ml.values import PLANNED_AHEAD, panel_of

DEBTORS, SEED, END = 5_000, 1, date(2026, 5, 1)
CHANNEL_COLOURS = {
    "EMAIL": "#3b6fb6",
    "SMS": "#d9822b",
    "WHATSAPP": "#2f9e63",
    "PUSH": "#8b5fbf",
    "LETTER": "#8a6d3b",
    "VOICE": "#c23b4b",
}
_INK, _PALE, _CLOSED, _UNTRIED = "#26323d", "#5f6b76", "#e9ecef", "#f1eee6"
_FIRST, _LAST = 7, 22
_SHOWN = _LAST - _FIRST
"""Hours of the day that are shown: the lawful ones and one on either side."""
_RANGE = 0.6
_MAP = mpl.colors.LinearSegmentedColormap.from_list(
    "worth", ["#28456b", "#6f97bf", "#d5e1ea", "#fbf8f1", "#f6cf94", "#e58a3c", "#b13a26"]
)


@dataclass(frozen=True)
class Worth:
    """One row per segment: its name, the channel recommended, the best hour of the week, what a message is
    then worth, and `hours`: (168,) worth at each hour on that channel, nan where it may not or cannot be known.
    """

    segment: str
    channel: str
    best: int
    net: float
    hours: Floats


def main(arguments: list[str]) -> int:
    """Draw to the path given."""
    if len(arguments) != 1:
        print("usage: python -m bench.picture FILE.png", file=sys.stderr)
        return 2
    as_of = datetime.combine(END, time(), UTC)
    print(f"simulating {DEBTORS:,} debtors and training on them …", flush=True)
    history = History.from_facts(simulate(DEBTORS, SEED, END).facts, as_of=as_of, currency="EUR")
    rows = worth_of(train(history, as_of=as_of, seed=SEED), history)
    path = Path(arguments[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(rows).savefig(path, dpi=130)
    print(f"wrote {path}")
    return 0


def worth_of(model: TrainedModel, history: History) -> list[Worth]:
    """What the recommendations rest on: expected net money per message for every segment that owes something, as they
    tell it: of a mean day of the month."""
    at = int(history.as_of.timestamp() * MICROSECONDS) + PLANNED_AHEAD
    panel, channels = panel_of(model, model.casebook(history), at), np.ones(len(CHANNELS), dtype=bool)
    plan, _ = plan_segments(model, panel, channels, None)
    _, value = plan_segments(model, replace(panel, standing=panel.on_a_mean_day()), channels, None)
    present = set(np.unique(panel.standing.segment).tolist())
    rows = []
    for code, segment in enumerate(model.segments):
        best = int(plan.best[code])
        if code not in present or best < 0:
            continue
        channel, hour = divmod(best, 168)
        hours = np.where(np.isfinite(value[code, channel]), value[code, channel], np.nan)
        rows.append(Worth(segment, CHANNELS[channel], hour, float(value[code, channel, hour]), hours))
    return sorted(rows, key=lambda row: _order(row.segment))


def _order(segment: str) -> tuple[int, str]:
    """Early debts first, then by name; other ways of naming segments come last."""
    stages = ("EARLY", "MID", "LATE")
    stage = segment.split("-", maxsplit=1)[0]
    return (stages.index(stage) if stage in stages else len(stages), segment)


def draw(rows: list[Worth]) -> Figure:
    """The heat map: colour is the worth of an hour against the mean of the row's hours, a ring is the best hour."""
    mpl.rcParams.update({"font.family": "DejaVu Sans", "text.color": _INK, "axes.labelcolor": _INK})
    shown = np.stack([_against_mean(row.hours).reshape(7, 24)[:, _FIRST:_LAST].ravel() for row in rows])
    figure = Figure(figsize=(17, 2.5 + 0.235 * len(rows)), facecolor="white")
    axes = figure.add_axes((0.125, 0.12, 0.69, 0.755))
    extent = (0, 7 * _SHOWN, len(rows), 0)
    image = axes.imshow(
        shown, aspect="auto", cmap=_MAP, vmin=-_RANGE, vmax=_RANGE, interpolation="nearest", extent=extent
    )
    _shade_closed_hours(axes, len(rows))
    _label_days(axes)
    for place, row in enumerate(rows):
        _label_row(axes, place + 0.5, row)
    _separate_stages(axes, rows)
    axes.set_xlim(0, 7 * _SHOWN)
    axes.set_ylim(len(rows), 0)
    _title(figure)
    untried = bool(np.isnan(np.stack([row.hours for row in rows])[:, lawful_hours()]).any())
    _legend(figure, image, untried=untried)
    return figure


def _against_mean(hours: Floats) -> Floats:
    """Worth of each hour relative to the row's mean; nan stays."""
    mean = float(np.nanmean(hours))
    return np.asarray((hours - mean) / max(abs(mean), 1e-9))


def _x(hour_of_week: int) -> int:
    """Where an hour of the week stands on the axis, which leaves out the nights."""
    return hour_of_week // 24 * _SHOWN + hour_of_week % 24 - _FIRST


def _shade_closed_hours(axes: Axes, rows: int) -> None:
    axes.set_facecolor(_UNTRIED)
    for hour in np.flatnonzero(~lawful_hours()):
        if _FIRST <= hour % 24 < _LAST:
            left = _x(int(hour))
            axes.axvspan(
                left, left + 1, facecolor=_CLOSED, edgecolor="#b9c0c6", hatch="//////", linewidth=0, zorder=2
            )
    for row in range(1, rows):
        axes.axhline(row, color="white", linewidth=1.1, zorder=3)


def _label_days(axes: Axes) -> None:
    for day, name in enumerate(WEEKDAYS):
        axes.text(
            (day + 0.5) * _SHOWN, -0.5, name, ha="center", va="bottom", fontsize=11.5, fontweight="bold"
        )
        if day:
            axes.axvline(day * _SHOWN, color="white", linewidth=5, zorder=4)
    hours = [day * 24 + hour for day in range(7) for hour in (8, 11, 14, 17, 20)]
    labels = [f"{hour % 24:02d}" for hour in hours]
    axes.set_xticks([_x(hour) + 0.5 for hour in hours], labels, fontsize=8, color=_PALE)
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.set_xlabel("hour of the week on the debtor's own clock", fontsize=10, labelpad=5, color=_PALE)
    for side in axes.spines.values():
        side.set_visible(False)


def _label_row(axes: Axes, middle: float, row: Worth) -> None:
    name = " · ".join(part.capitalize() for part in row.segment.split("-"))
    axes.text(-1, middle, name, ha="right", va="center", fontsize=9.5)
    for colour, width in (("white", 3.6), (_INK, 1.6)):
        axes.plot(
            _x(row.best) + 0.5, middle, "o", ms=9, mfc="none", mec=colour, mew=width, zorder=6, clip_on=False
        )
    right, colour = 7 * _SHOWN, CHANNEL_COLOURS[row.channel]
    axes.text(
        right + 1.2,
        middle,
        row.channel,
        ha="left",
        va="center",
        fontsize=8.5,
        fontweight="bold",
        color=colour,
    )
    when = f"{WEEKDAYS[row.best // 24][:3]} {row.best % 24:02d}:00"
    axes.text(right + 10.4, middle, when, ha="left", va="center", fontsize=9)
    axes.text(right + 25, middle, f"{row.net:,.2f} €", ha="right", va="center", fontsize=9)


def _separate_stages(axes: Axes, rows: list[Worth]) -> None:
    right = 7 * _SHOWN
    for at, side, text in (
        (right + 1.2, "left", "channel"),
        (right + 10.4, "left", "hour"),
        (right + 25, "right", "net"),
    ):
        axes.text(at, -0.5, text, ha=side, va="bottom", fontsize=9, color=_PALE)
    for place, (before, row) in enumerate(pairwise(rows), start=1):
        if _order(before.segment)[0] != _order(row.segment)[0]:
            axes.plot([-18, right + 25], [place, place], color=_INK, linewidth=0.9, clip_on=False, zorder=5)


def _title(figure: Figure) -> None:
    figure.text(0.02, 0.972, "When to send", fontsize=21, fontweight="bold", va="top")
    text = (
        "Expected net money of one message: what it brings beyond what would be paid anyway, less its cost. "
        "By segment and hour, on the channel recommended there."
    )
    figure.text(0.02, 0.932, text, fontsize=11, color=_PALE, va="top")


def _legend(figure: Figure, image: AxesImage, *, untried: bool) -> None:
    place = figure.add_axes((0.125, 0.045, 0.2, 0.015))
    bar = figure.colorbar(
        image, cax=place, orientation="horizontal", ticks=[-_RANGE, -_RANGE / 2, 0, _RANGE / 2, _RANGE]
    )
    labels = [f"−{_RANGE:.0%}", f"−{_RANGE / 2:.0%}", "row's mean", f"+{_RANGE / 2:.0%}", f"+{_RANGE:.0%}"]
    bar.ax.set_xticklabels(labels, fontsize=8.5, color=_PALE)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0)
    key = figure.add_axes((0.37, 0.03, 0.46, 0.032))
    key.set_axis_off()
    key.set_xlim(0, 100)
    key.set_ylim(0, 1)
    key.plot(2, 0.5, "o", ms=9, mfc="none", mec=_INK, mew=1.6)
    key.text(5, 0.5, "recommended hour", va="center", fontsize=9.5, color=_PALE)
    boxes = [(31, _CLOSED, "//////", "no contact: outside 08–21 local")]
    boxes += [(73, _UNTRIED, "", "never tried, no telling")] if untried else []
    for at, colour, hatch, text in boxes:
        box = Rectangle((at, 0.15), 4, 0.7, facecolor=colour, edgecolor="#b9c0c6", hatch=hatch, linewidth=0.6)
        key.add_patch(box)
        key.text(at + 5.5, 0.5, text, va="center", fontsize=9.5, color=_PALE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
