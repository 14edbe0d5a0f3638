"""The arithmetic of the KPIs against definitions written out the long way."""

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kpis.formulas import kaplan_meier_median, net_of, per, percentile, rate
from domain.kpis.portfolio import MonthlyFinance, days_sales_outstanding, profit_of
from domain.kpis.requests import whole_months

times = st.lists(st.integers(-5, 40).map(float), max_size=30)


def test_a_rate_over_nothing_is_none_and_not_zero() -> None:
    assert rate(0, 0) is None
    assert rate(0, 4) == 0.0
    assert rate(Decimal(1), Decimal(4)) == 0.25


def test_money_per_head_is_exact_where_it_can_be() -> None:
    assert per(Decimal("100.00"), 8) == Decimal("12.5")
    assert per(Decimal(100), 3) == Decimal("33.3333333333")
    assert per(Decimal(100), 0) is None


def test_net_keeps_currencies_apart_and_takes_an_absent_side_as_nothing() -> None:
    net = net_of({"EUR": Decimal(10), "USD": Decimal(3)}, {"EUR": Decimal(4), "DKK": Decimal(1)})
    assert net == {"DKK": Decimal(-1), "EUR": Decimal(6), "USD": Decimal(3)}


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.fractions(Fraction(1, 100), 1))
def test_a_percentile_is_the_smallest_value_with_enough_at_or_below_it(
    values: list[float], p: Fraction
) -> None:
    found = percentile(values, p)
    assert found in values
    assert sum(value <= found for value in values) >= p * len(values)
    assert sum(value < found for value in values) < p * len(values)


def test_nothing_has_no_percentile() -> None:
    assert percentile([], Fraction(1, 2)) is None


@given(times, times)
def test_the_censored_median_is_where_the_product_limit_reaches_one_half(
    events: list[float], censored: list[float]
) -> None:
    survival, median = Fraction(1), None
    for time in sorted(set(events)):
        at_risk = sum(t >= time for t in events) + sum(t >= time for t in censored)
        survival *= 1 - Fraction(events.count(time), at_risk)
        if survival <= Fraction(1, 2):
            median = time
            break
    assert kaplan_meier_median(events, censored) == median


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_without_censoring_the_median_is_the_observed_one(events: list[float]) -> None:
    assert kaplan_meier_median(events, []) == percentile(events, Fraction(1, 2))


def test_survival_of_exactly_one_half_counts_as_reached() -> None:
    assert kaplan_meier_median([1.0, 2.0, 3.0], [9.0, 9.0, 9.0]) == 3.0
    assert kaplan_meier_median([1.0, 2.0], [9.0, 9.0, 9.0]) is None


def test_whole_months_are_those_inside_the_period() -> None:
    def months(start: str, end: str) -> list[date]:
        first, last = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (start, end))
        return list(whole_months(first, last))

    assert months("2025-12-01", "2026-02-01") == [date(2025, 12, 1), date(2026, 1, 1)]
    assert months("2025-12-02", "2026-02-01") == [date(2026, 1, 1)]
    assert months("2025-12-01", "2026-01-31") == [date(2025, 12, 1)]
    assert months("2026-01-02", "2026-01-31") == []


JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)


def book(sales: int | None, receivables: int | None, revenue: int | None, cost: int | None) -> MonthlyFinance:
    return MonthlyFinance(
        *(None if figure is None else Decimal(figure) for figure in (sales, receivables, revenue, cost))
    )


def test_sales_outstanding_are_closing_receivables_in_days_of_credit_sales() -> None:
    books = {JANUARY: book(1000, 900, 50, 20), FEBRUARY: book(2000, 1500, 60, 30)}
    assert days_sales_outstanding([JANUARY, FEBRUARY], books) == pytest.approx(1500 / 3000 * 59)
    assert profit_of([JANUARY, FEBRUARY], books) == 60


@pytest.mark.parametrize(
    "books",
    [
        {},
        {JANUARY: book(1000, 900, 50, 20)},
        {JANUARY: book(None, 900, None, 20), FEBRUARY: book(2000, 1500, 60, 30)},
        {JANUARY: book(1000, 900, 50, None), FEBRUARY: book(2000, None, 60, 30)},
        {JANUARY: book(0, 900, None, 20), FEBRUARY: book(0, 1500, 60, 30)},
    ],
)
def test_a_missing_month_or_figure_leaves_the_books_silent(books: dict[date, MonthlyFinance]) -> None:
    assert days_sales_outstanding([JANUARY, FEBRUARY], books) is None
    assert profit_of([JANUARY, FEBRUARY], books) is None


def test_without_a_whole_month_the_books_are_silent() -> None:
    assert days_sales_outstanding([], {JANUARY: book(1, 1, 1, 1)}) is None
    assert profit_of([], {JANUARY: book(1, 1, 1, 1)}) is None
