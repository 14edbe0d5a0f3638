"""Reaction times of a cohort's groups as SQL: observed ones, and the Kaplan–Meier median.

Fragments over the CTEs `cohort` (of `domain.storage.kpis.cohort`), `counted` and `paying` (of `messages`); they bind
as_of. `domain.kpis.formulas` has both formulas as functions, and tests hold the two together. Source: kpis.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A reaction time named `name`, which is also its column of seconds in the CTE `reached`.

    Its Kaplan–Meier population is all that `population` holds, which enter at `started_at` and are counted by the
    column `size` of `counted`. entered: which rows of `reached` are of it.
    """

    name: str
    reached: str
    entered: str
    population: str
    started_at: str
    size: str


SPANS = (
    Span("sent_to_open", "opening", "true", "cohort WHERE delivered", "sent_at", "delivered"),
    Span("open_to_pay", "paying", "true", "opening WHERE true", "opened_at", "opened"),
    Span("sent_to_pay", "paying", "delivered", "cohort WHERE delivered", "sent_at", "delivered"),
)


def opening(keys: Sequence[str]) -> str:
    """The CTE `opening`: the communications that were opened, with seconds."""
    return f"""
        SELECT {listed(keys)}sent_at, opened_at,
            date_part('epoch', opened_at - sent_at) AS sent_to_open
        FROM cohort WHERE opened_at IS NOT NULL"""


def exact_sum(seconds: str) -> str:
    """The sum of durations, added up as whole microseconds: a sum of floats would depend on the order of rows."""
    return f"sum(({seconds} * 1e6)::bigint)::float8 / 1e6"


def observed(span: Span, keys: Sequence[str]) -> str:
    """Rows of keys, n, mean and percentiles (p50, p90), in seconds, over the communications that have the reaction."""
    return f"""
        SELECT {listed(keys)}count(*) AS n, {exact_sum(span.name)} / count(*) AS mean,
            percentile_disc(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY {span.name}) AS percentiles
        FROM {span.reached} WHERE {span.name} IS NOT NULL {group_by(keys)}"""


def censored_median(span: Span, keys: Sequence[str]) -> str:
    """Rows of keys and the median (seconds) of the Kaplan–Meier estimate, of the groups in which it is reached.

    A timeline per group: the end reached (`happened`), and who leaves unobserved before the last end of all. Who stays
    longer is never looked at, only counted, so the sort is over few. `leaving` is 1, but -1 at the instants at which
    those who reached the end would have left unobserved, and 0 for the row that brings the population's size. The
    tolerance covers the rounding of sums of logarithms: a survival of exactly one half is reached.
    """
    listing = listed(keys)
    partition = f"PARTITION BY {', '.join(keys)}" if keys else ""
    events = f"FROM {span.reached} WHERE {span.name} IS NOT NULL AND {span.entered}"
    left_at = f"date_part('epoch', CAST(:as_of AS timestamptz) - {span.started_at})"
    early = f"""{span.started_at} >
        CAST(:as_of AS timestamptz) - make_interval(secs => (SELECT max({span.name}) {events}))"""
    return f"""
        SELECT {listing}min(seconds) AS median
        FROM (
            SELECT {listing}seconds, sum(CASE WHEN at_risk > 1 THEN ln(1 - 1.0::float8 / at_risk) ELSE '-Infinity' END)
                OVER ({partition} ORDER BY seconds ROWS UNBOUNDED PRECEDING) AS log_survival
            FROM (
                SELECT {listing}seconds, happened, max(size) OVER ({partition}) - sum(leaving) OVER (
                    {partition} ORDER BY seconds, happened DESC ROWS UNBOUNDED PRECEDING) + 1 AS at_risk
                FROM (
                    SELECT {listing}{span.name} AS seconds, true AS happened, 1 AS leaving, 0 AS size {events}
                    UNION ALL
                    SELECT {listing}{left_at}, false, 1, 0 FROM {span.population} AND {early}
                    UNION ALL
                    SELECT {listing}{left_at}, false, -1, 0 {events} AND {early}
                    UNION ALL
                    SELECT {listing}'Infinity', false, 0, sum({span.size})::bigint FROM counted {group_by(keys)}
                ) timeline
            ) ranked
            WHERE happened
        ) survival
        WHERE log_survival <= ln(0.5::float8) + 1e-9 {group_by(keys)}"""


def listed(keys: Sequence[str]) -> str:
    """The keys before other columns of a SELECT or GROUP BY."""
    return "".join(f"{key}, " for key in keys)


def group_by(keys: Sequence[str]) -> str:
    """The GROUP BY of a part; without keys an aggregate is one row anyway."""
    return f"GROUP BY {', '.join(keys)}" if keys else ""
