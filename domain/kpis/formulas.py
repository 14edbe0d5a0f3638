"""The arithmetic that several KPI families share. Source: kpis.md."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

_EXACT_BAND = 1e-9
_QUOTIENT_STEP = Decimal("0.0000000001")


def rate(numerator: int | Decimal, denominator: int | Decimal) -> float | None:
    """numerator / denominator; None, never 0, when the denominator is 0."""
    return float(numerator / denominator) if denominator else None


def per(amount: Decimal, count: int) -> Decimal | None:
    """Money per head, to ten decimals; None when there is no head."""
    if not count:
        return None
    share = (amount / count).quantize(_QUOTIENT_STEP).normalize()
    return share.quantize(Decimal("0.01")) if share == share.quantize(Decimal("0.01")) else share


def net_of(collected: Mapping[str, Decimal], cost: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Collected less cost in every currency that either has; an absent side is 0. Never across currencies."""
    return {
        currency: collected.get(currency, Decimal(0)) - cost.get(currency, Decimal(0))
        for currency in sorted(collected.keys() | cost.keys())
    }


def percentile(values: Sequence[float], p: Fraction) -> float | None:
    """The ⌈p·n⌉-th smallest of n values, for 0 < p <= 1; None of none."""
    if not values:
        return None
    return sorted(values)[-(-p.numerator * len(values) // p.denominator) - 1]


def kaplan_meier_median(events: Iterable[float], censored: Iterable[float]) -> float | None:
    """The smallest t with S(t) <= 1/2 of the Kaplan–Meier estimate; None when it is not reached.

    events: times at which the outcome happened; censored: times until which it was only known not to have happened.
    At a tie events come before censorings. Exact: where floating point could decide, fractions do.

    Source: Kaplan & Meier (1958), Nonparametric Estimation from Incomplete Observations; kpis.md, Message KPIs.
    """
    timeline = sorted([(time, 0) for time in events] + [(time, 1) for time in censored])
    at_risk = len(timeline)
    survival, factors = 1.0, []
    for time, was_censored in timeline:
        if not was_censored:
            survival *= (at_risk - 1) / at_risk
            factors.append(at_risk)
            if survival < 0.5 - _EXACT_BAND or (survival < 0.5 + _EXACT_BAND and _at_most_half(factors)):
                return time
        at_risk -= 1
    return None


def _at_most_half(at_risk: Sequence[int]) -> bool:
    survival = Fraction(1)
    for count in at_risk:
        survival *= Fraction(count - 1, count)
    return survival <= Fraction(1, 2)
