"""Days sales outstanding of the months to come, from the creditor's monthly books. Source: kpis.md, `dso`.

Only whole months have a DSO, so a day's is that of the last month that is over by its end: known while that month is
past, forecast from the month on whose last day lies ahead. Books hold few months; what a handful of them cannot tell is
in the width of the interval (Student's t).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from ml.forecast.answers import BacktestRow, Key, Kpi, Note, Policy
from ml.forecast.bands import NOMINAL_COVERAGE, Bands, quantiles
from ml.forecast.cohorts import Floats
from ml.forecast.draws import LEVELS
from ml.forecast.losses import crps, pinball
from ml.forecast.series import Part, series_of, undefined

_SMOOTHING = (0.2, 0.5, 1.0)
_PRIOR_SPREAD, _PRIOR_MONTHS = 0.06, 1
_LEAST_MONTHS = 4


@dataclass(frozen=True)
class Books:
    """One currency's whole months, oldest first; nan where a figure is missing."""

    months: tuple[date, ...]
    credit_sales: Floats
    receivables: Floats


def books_of(finance: pl.DataFrame) -> dict[str, Books]:
    """Currency → its books, gaps between the first and last month included."""
    found = {}
    for (currency,), rows in finance.sort("month").group_by("currency", maintain_order=True):
        by_month = {
            row[0]: row[1:] for row in rows.select("month", "credit_sales", "receivables").iter_rows()
        }
        months, month = [min(by_month)], max(by_month)
        while months[-1] < month:
            months.append(following(months[-1]))
        nothing = (None, None)
        figures = np.array([by_month.get(m, nothing) for m in months], dtype=np.float64)
        found[str(currency)] = Books(tuple(months), figures[:, 0], figures[:, 1])
    return found


def dso_of(books: Books) -> dict[date, float]:
    """Month → its own DSO; months with a figure missing are left out."""
    ratio = _ratio(books)
    return {
        month: float(value) * (following(month) - month).days
        for month, value in zip(books.months, ratio, strict=True)
        if not np.isnan(value)
    }


def following(month: date) -> date:
    """The first day of the next calendar month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def last_whole_month(day: date) -> date:
    """The first day of the last calendar month that is over by the end of `day`."""
    return ((day + timedelta(days=1)).replace(day=1) - timedelta(days=1)).replace(day=1)


def forecast_dso(
    finance: pl.DataFrame,
    days: Sequence[date],
    currencies: Sequence[str],
    cash: Mapping[Policy, Floats],
    policy: Policy,
    seed: int,
) -> Part:
    """The DSO of each currency: of each day, and over the whole months of the horizon (none: of the last day's month).

    currencies, cash: see `Messages`. What RECOMMENDED collects beyond CURRENT lowers what is owed at the ends of the
    months to come.
    """
    books = books_of(finance)
    if not books:
        note = Note("NO_BOOKS", "There are no monthly books (table finance), so no DSO can be forecast.")
        return Part({Kpi.DSO: [undefined(Kpi.DSO, Key(), days)]}, notes=[note])
    now = cash[Policy.CURRENT]
    series = []
    for place, (currency, whole) in enumerate(sorted(books.items())):
        more = np.zeros(now.shape[:2])
        if currency in currencies:
            more = (cash[policy] - now)[:, :, currencies.index(currency)]
        drawn = [
            _draw(np.random.default_rng([seed, 30, place]), whole, days, paid) for paid in (more, 0 * more)
        ]
        bands = _bands(drawn[0])
        difference = None
        if policy == Policy.RECOMMENDED:
            gain = drawn[0][1] - drawn[1][1]
            middle = np.array([bands.total_mid[0] - _bands(drawn[1]).total_mid[0]])
            low, high = quantiles(gain[:, None])
            difference = np.minimum(low, middle), middle, np.maximum(high, middle)
        series += series_of(Kpi.DSO, [Key(currency=currency)], days, bands, difference)
    row = backtest_dso(books, seed)
    return Part({Kpi.DSO: series}, [row] if row else [])


def _draw(
    rng: np.random.Generator, books: Books, days: Sequence[date], more_cash: Floats
) -> tuple[Floats, Floats]:
    """(D, R) possible futures of each day's DSO, and (R,) of that over the whole months; nan where undefined."""
    draws = more_cash.shape[1]
    ahead = _months_after(books.months[-1], days[-1])
    sales = _paths(rng, books.credit_sales, len(ahead), draws)
    owed = _paths(rng, _ratio(books), len(ahead), draws) * sales
    paid = np.stack([more_cash[[day < following(month) for day in days]].sum(axis=0) for month in ahead])
    figures = {
        month: (np.full(draws, sold), np.full(draws, left))
        for month, sold, left in zip(books.months, books.credit_sales, books.receivables, strict=True)
    }
    figures |= {month: (sales[n], np.maximum(owed[n] - paid[n], 0.0)) for n, month in enumerate(ahead)}
    spans = [[last_whole_month(day)] for day in days]
    inside = sorted({month for (month,) in spans if month >= days[0]})
    return np.stack([_dso(figures, span, draws) for span in spans]), _dso(figures, inside or spans[-1], draws)


def _bands(drawn: tuple[Floats, Floats]) -> Bands:
    """One column of bands."""
    of_days, of_all = drawn
    ends = [quantiles(day[:, None]) for day in of_days]
    low, high = (np.stack(side) for side in zip(*ends, strict=True))
    total_low, total_high = quantiles(of_all[:, None])
    return Bands(
        low, np.median(of_days, axis=1)[:, None], high, total_low, np.array([np.median(of_all)]), total_high
    )


def backtest_dso(books: Mapping[str, Books], seed: int) -> BacktestRow | None:
    """Each month forecast from those before it, against repeating the month before; None with too few months."""
    hits, losses, naive, scores, naive_scores = [], [], [], [], []
    for place, currency in enumerate(sorted(books)):
        whole = books[currency]
        ratio = _ratio(whole)
        for known in range(_LEAST_MONTHS - 1, len(ratio)):
            length = (following(whole.months[known]) - whole.months[known]).days
            came, before = ratio[known] * length, ratio[known - 1] * length
            if np.isnan(came) or np.isnan(before):
                continue
            paths = _paths(np.random.default_rng([seed, place, known]), ratio[:known], 1, 1000)
            futures = np.sort(paths[0]) * length
            ends = np.quantile(futures, LEVELS)
            hits.append(ends[0] <= came <= ends[-1])
            losses.append(pinball(ends[:, None], np.array([came]))[0])
            naive.append(pinball(np.full((3, 1), before), np.array([came]))[0])
            scores.append(crps(futures[:, None], np.array([came]))[0])
            naive_scores.append(abs(came - before))  # a forecast of one value scores its error
    if not hits:
        return None
    return BacktestRow(
        kpi=Kpi.DSO,
        nominal_coverage=NOMINAL_COVERAGE,
        coverage=float(np.mean(hits)),
        pinball_loss=float(np.mean(losses)),
        baseline_pinball_loss=float(np.mean(naive)),
        crps=float(np.mean(scores)),
        baseline_crps=float(np.mean(naive_scores)),
        days=len(hits),
    )


def _months_after(month: date, day: date) -> list[date]:
    """The months after `month` that are over by the end of `day`; at least one, so that there is a path to draw."""
    months = [following(month)]
    while following(months[-1]) <= last_whole_month(day):
        months.append(following(months[-1]))
    return months


def _ratio(books: Books) -> Floats:
    sold = books.credit_sales > 0
    return np.where(sold, books.receivables / np.where(sold, books.credit_sales, 1.0), np.nan)


def _dso(figures: Mapping[date, tuple[Floats, Floats]], months: Sequence[date], draws: int) -> Floats:
    """(R,) receivables at the end of the last month ÷ sales of them all × their days; nan when a month is missing."""
    if any(month not in figures for month in months):
        return np.full(draws, np.nan)
    sales = np.sum([figures[month][0] for month in months], axis=0)
    length = sum((following(month) - month).days for month in months)
    sold = sales > 0
    return np.asarray(np.where(sold, figures[months[-1]][1] * length / np.where(sold, sales, 1.0), np.nan))


def _paths(rng: np.random.Generator, past: Floats, ahead: int, draws: int) -> Floats:
    """(ahead, R) possible futures of a positive monthly figure, by exponential smoothing of its logarithm; how smooth,
    and how sure, by how it would have done on the months there are.
    """
    known = np.log(past[past > 0])
    if len(known) == 0:
        return np.full((ahead, draws), np.nan)
    level, errors, by = min(
        (_smooth(known, by) for by in _SMOOTHING), key=lambda fit: float((fit[1] ** 2).sum())
    )
    degrees = len(errors) + _PRIOR_MONTHS
    spread = np.sqrt(((errors**2).sum() + _PRIOR_MONTHS * _PRIOR_SPREAD**2) / degrees)
    steps = np.sqrt(1 + np.arange(ahead) * by**2)[:, None]
    return np.asarray(np.exp(level + spread * steps * rng.standard_t(degrees, (ahead, draws))))


def _smooth(values: Floats, by: float) -> tuple[float, Floats, float]:
    """The level after the last value, the one-step errors on the way, and how much each of them moved it."""
    level, errors = float(values[0]), []
    for value in values[1:]:
        errors.append(float(value) - level)
        level += by * errors[-1]
    return level, np.array(errors), by
