"""Reaction times of a cohort's groups as SQL: observed ones, and the Kaplan–Meier median.

Fragments over the CTE `cohort` of `domain.storage.kpis.cohort`. Source: kpis.md, `reaction`; `domain.kpis.formulas`
has both formulas as functions, and tests hold the two together.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end` (columns of the cohort); `population`: who enters at the start."""

    name: str
    start: str
    end: str
    population: str


SPANS = (
    Span("sent_to_open", "sent_at", "opened_at", "delivered"),
    Span("open_to_pay", "opened_at", "first_paid_at", "opened_at IS NOT NULL"),
    Span("sent_to_pay", "sent_at", "first_paid_at", "delivered"),
)


def observed(span: Span, keys: Sequence[str]) -> str:
    """Rows of keys, count, mean, p50, p90 (seconds) over the communications that have the reaction."""
    key_list = "".join(f"{key}, " for key in keys)
    return f"""
        SELECT {key_list}count(*) AS n, avg(seconds) AS mean,
            percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY seconds) AS percentiles
        FROM (SELECT {key_list}{_seconds(span)} AS seconds FROM cohort WHERE {_has(span)}) timed
        {group_by(keys)}"""


def censored_median(span: Span, keys: Sequence[str]) -> str:
    """Rows of keys and the Kaplan–Meier median (seconds) of the groups in which it is reached.

    With the i-th of n sorted times at risk count n - i + 1, survival after it is (n - i) / n times the product, over
    the censored ones before it, of (n - j + 1) / (n - j): so sums of logarithms run over censored rows only, and
    without any the comparison with one half is exact. The tolerance covers the rounding of those sums.
    """
    key_list = "".join(f"{key}, " for key in keys)
    partition = f"PARTITION BY {', '.join(keys)}" if keys else ""
    return f"""
        SELECT {key_list}min(seconds) AS median
        FROM (
            SELECT {key_list}seconds, happened, n, i,
                sum(CASE WHEN NOT happened AND i < n THEN ln((n - i + 1)::float8 / (n - i)) END)
                    OVER ({partition} ORDER BY seconds, i ROWS UNBOUNDED PRECEDING) AS log_spared
            FROM (
                SELECT {key_list}seconds, happened,
                    count(*) OVER ({partition}) AS n,
                    row_number() OVER ({partition} ORDER BY seconds, happened DESC) AS i
                FROM (
                    SELECT {key_list}{_has(span)} AS happened,
                        CASE WHEN {_has(span)} THEN {_seconds(span)}
                            ELSE date_part('epoch', CAST(:as_of AS timestamptz) - {span.start}) END AS seconds
                    FROM cohort WHERE {span.population}
                ) entered
            ) ranked
        ) survivors
        WHERE happened AND 2 * (n - i) * exp(coalesce(log_spared, 0)) <= n * (1 + 1e-12)
        {group_by(keys)}"""


def _has(span: Span) -> str:
    return (
        "opened_at IS NOT NULL" if span.end == "opened_at" else f"coalesce({span.end} >= {span.start}, false)"
    )


def _seconds(span: Span) -> str:
    return f"date_part('epoch', {span.end} - {span.start})"


def group_by(keys: Sequence[str]) -> str:
    """The GROUP BY of a part; without keys an aggregate is one row anyway."""
    return f"GROUP BY {', '.join(keys)}" if keys else ""
