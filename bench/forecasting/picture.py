"""Draws the fan charts of docs/forecasts.md: what was forecast four weeks ahead, and what came.

    python -m bench.forecasting.picture docs/forecasts.png

The demo portfolio is simulated six weeks longer than the forecast knows of.
"""

import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter, WeekdayLocator, date2num
from matplotlib.figure import Figure

from ml.forecast import Forecast, Key, Kpi, Series, forecast, tally_of
from ml.forecast.actuals import settled_values
from ml.frames import History
from ml.simulator import simulate

DEBTORS, SEED, END = 5_000, 1, date(2026, 6, 15)
CUT = date(2026, 5, 1)
DAYS_BEFORE, HORIZON = 28, 28
_INK, _PALE, _BAND, _MIDDLE, _CAME = "#26323d", "#5f6b76", "#bcd3e6", "#3b6fb6", "#b13a26"
_SHOWN = (
    (Kpi.SENT, Key(), "Messages sent", 1.0, ""),
    (Kpi.OPEN_RATE, Key(), "Open rate", 100.0, " %"),
    (Kpi.COLLECTED, Key(currency="EUR"), "Collected, EUR thousand", 0.001, ""),
    (Kpi.SENT_TO_OPEN_P50, Key(), "Median wait until opened", 1 / 60, " min"),
)


def main(arguments: list[str]) -> int:
    """Draw to the path given."""
    if len(arguments) != 1:
        print("usage: python -m bench.forecasting.picture FILE.png", file=sys.stderr)
        return 2
    facts = simulate(DEBTORS, SEED, END).facts
    then, now = (
        History.from_facts(facts, as_of=datetime.combine(day, time(), UTC), currency="EUR")
        for day in (CUT, END)
    )
    draw(forecast(tally_of(then), horizon_days=HORIZON), now).savefig(arguments[0], dpi=120)
    print(f"wrote {Path(arguments[0])}")
    return 0


def draw(made: Forecast, now: History) -> Figure:
    """One chart per KPI: the weeks before, the fan, and what came."""
    mpl.rcParams.update(
        {"font.family": "sans-serif", "font.size": 9, "text.color": _INK, "axes.edgecolor": _PALE}
    )
    figure = Figure(figsize=(11, 6.2), facecolor="white", layout="constrained")
    came = settled_values(tally_of(now))
    for place, (kpi, key, title, scale, unit) in enumerate(_SHOWN):
        (series,) = [one for one in made.series if one.kpi == kpi and one.key == key]
        values = came[kpi, key.currency]
        _fan(figure.add_subplot(2, 2, place + 1), series, values, scale, f"{title}{unit and f',{unit}'}")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=9, loc="outside lower center", ncols=3)
    figure.suptitle("Forecast on 1 May for four weeks, and what came", fontsize=11)
    return figure


def _fan(axes: Axes, series: Series, values: Mapping[date, float], scale: float, title: str) -> None:
    days = [point.day for point in series.points]
    low, middle, high = (
        np.array([getattr(point.quantiles, name) for point in series.points], dtype=float) * scale
        for name in ("p05", "p50", "p95")
    )
    axes.fill_between(np.array(days), low, high, color=_BAND, linewidth=0, label="90 % interval")
    axes.plot(np.array(days), middle, color=_MIDDLE, linewidth=1.4, label="median")
    known = [day for day in sorted(values) if CUT - timedelta(days=DAYS_BEFORE) <= day <= days[-1]]
    shown = np.array([values[day] for day in known]) * scale
    axes.plot(np.array(known), shown, "o", color=_CAME, markersize=2.8, label="what came")
    axes.axvline(float(date2num(CUT - timedelta(hours=12))), color=_PALE, linewidth=0.8, linestyle=":")
    ahead = [(day, value) for day, value in zip(known, shown, strict=True) if day >= CUT]
    inside = sum(low[(day - CUT).days] <= value <= high[(day - CUT).days] for day, value in ahead)
    axes.set_title(f"{title}   ({inside} of {len(ahead)} days inside)", loc="left", fontsize=9.5)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_formatter(DateFormatter("%-d %b"))
    axes.xaxis.set_major_locator(WeekdayLocator(0, 2))
    axes.tick_params(colors=_PALE, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
