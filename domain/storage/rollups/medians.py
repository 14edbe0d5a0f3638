"""Kaplan–Meier medians of groups from the rows of their days."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from math import inf
from typing import Any

from domain.kpis.censored_sketches import CannotTell, Unreacted, censored_median
from domain.kpis.sketches import band_edges, read_sketch

_DAY = timedelta(days=1).total_seconds()
_FROM_SENDING = ("sent_to_open", "sent_to_pay")

Key = Hashable


def medians(
    populations: Iterable[tuple[Any, ...]], reacted: Iterable[tuple[Any, ...]], *, as_of: datetime
) -> tuple[dict[tuple[Key, str], float], float]:
    """(key, span) → median, seconds, where it is reached; and for how many seconds after `as_of` they all hold.

    populations: key, days, delivered and opened per day. reacted: key, span, days, how many of each day reacted and are
    of the population, how many reacted at all, and the sketch of all of these.

    Raises:
        CannotTell: one of them takes the facts.
    """
    entered = {key: (days, delivered, opened) for key, days, delivered, opened in populations}
    sketches, outcomes = {}, {}
    for key, span, days, counts, count, sketch in reacted:
        sketches[key, span] = read_sketch(sketch)
        outcomes[key, span] = (days, counts, count)
    found, holding = {}, inf
    for (key, span), (days, counts, count) in outcomes.items():
        if not any(counts):
            continue
        if sum(counts) != count:  # the sketch holds others too
            raise CannotTell
        population_days, delivered, opened = entered[key]
        population = delivered if span in _FROM_SENDING else opened
        earliest, latest = 0.0, _DAY
        if span not in _FROM_SENDING:  # they enter when they open, so much after the start of their day
            opens = sketches[key, "sent_to_open"]
            earliest, latest = (
                min(0.0, band_edges(opens[0][0])[0]),
                _DAY + max(0.0, band_edges(opens[-1][0])[1]),
            )
        unreacted = Unreacted(
            (waited - latest, waited - earliest, people)
            for waited, people in _unreacted(population_days, population, days, counts, as_of)
        )
        median = censored_median(sketches[key, span], unreacted, population=sum(population))
        if median is not None:
            found[key, span] = median
        edges = [edge for band, _ in sketches[key, span] for edge in band_edges(band)]
        holding = min(holding, unreacted.unchanged_for(edges))
    return found, holding


def _unreacted(
    days: Sequence[date],
    population: Sequence[int],
    reacted_days: Sequence[date],
    reacted: Sequence[int],
    as_of: datetime,
) -> Iterator[tuple[float, int]]:
    """(seconds from the start of a day to `as_of`, people of that day without the outcome)."""
    left: Counter[date] = Counter()
    for day, people in zip(days, population, strict=True):
        left[day] += people
    for day, people in zip(reacted_days, reacted, strict=True):
        left[day] -= people
    for day, people in left.items():
        yield (as_of - datetime.combine(day, time(), UTC)).total_seconds(), people
