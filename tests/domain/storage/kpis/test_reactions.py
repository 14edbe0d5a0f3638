"""Percentiles and censored medians in SQL are those of the pure formulas."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from domain.kpis.formulas import kaplan_meier_median, percentile
from domain.storage.kpis.reactions import SPANS, censored_median, observed, opening
from domain.storage.sessions import Database

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)

#: A communication: its group, seconds from sending to now, to its opening and from that to a payment; None: not.
communications = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]),
        st.integers(0, 12),
        st.one_of(st.none(), st.integers(0, 12)),
        st.one_of(st.none(), st.integers(-3, 12)),
    ),
    max_size=40,
)


def statement(part: str) -> str:
    """`part` over a cohort of the communications bound; `paying` and `counted` as message KPIs make them."""
    return f"""
        WITH cohort AS (
            SELECT k0, true AS delivered, sent_at, opened_at, first_paid_at
            FROM unnest(CAST(:groups AS text[]), CAST(:sent AS timestamptz[]), CAST(:opened AS timestamptz[]),
                CAST(:paid AS timestamptz[])) AS given (k0, sent_at, opened_at, first_paid_at)
        ),
        counted AS (SELECT k0, count(*) AS delivered, count(opened_at) AS opened FROM cohort GROUP BY k0),
        paying AS (
            SELECT k0, delivered, sent_at, opened_at,
                CASE WHEN first_paid_at >= sent_at THEN date_part('epoch', first_paid_at - sent_at) END AS sent_to_pay,
                CASE WHEN first_paid_at >= opened_at THEN date_part('epoch', first_paid_at - opened_at) END
                    AS open_to_pay
            FROM cohort WHERE first_paid_at IS NOT NULL
        ),
        opening AS ({opening(["k0"])})
        {part}"""


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(communications)
async def test_reaction_times_are_those_of_the_formulas(
    database: Database, given: list[tuple[str | None, int, int | None, int | None]]
) -> None:
    sent = [AS_OF - timedelta(seconds=age) for _, age, _, _ in given]
    opened = [_known(at, seconds) for at, (_, _, seconds, _) in zip(sent, given, strict=True)]
    paid = [_known(at, seconds) for at, (_, _, _, seconds) in zip(opened, given, strict=True)]
    bound = {
        "groups": [group for group, *_ in given],
        "sent": sent,
        "opened": opened,
        "paid": paid,
        "as_of": AS_OF,
    }
    starts = {"sent_to_open": (sent, opened), "open_to_pay": (opened, paid), "sent_to_pay": (sent, paid)}
    async with database.transaction(0) as connection:
        for span in SPANS:
            events, censored = _split(bound["groups"], *starts[span.name])
            rows = await connection.execute(text(statement(observed(span, ["k0"]))), bound)
            found = {group: (n, *percentiles) for group, n, _, percentiles in rows}
            assert found == {
                group: (len(times), percentile(times, Fraction(1, 2)), percentile(times, Fraction(9, 10)))
                for group, times in events.items()
            }
            medians = dict(
                (await connection.execute(text(statement(censored_median(span, ["k0"]))), bound)).all()
            )
            expected = {group: kaplan_meier_median(times, censored[group]) for group, times in events.items()}
            assert medians == {group: median for group, median in expected.items() if median is not None}


def _known(start: datetime | None, seconds: int | None) -> datetime | None:
    if start is None or seconds is None:
        return None
    reached = start + timedelta(seconds=seconds)
    return reached if reached <= AS_OF else None


def _split(
    groups: list[str | None], starts: list[datetime | None], ends: list[datetime | None]
) -> tuple[dict[str | None, list[float]], dict[str | None, list[float]]]:
    """Group → seconds of those that reached the end, and seconds waited by those that did not."""
    events: defaultdict[str | None, list[float]] = defaultdict(list)
    censored: defaultdict[str | None, list[float]] = defaultdict(list)
    for group, start, end in zip(groups, starts, ends, strict=True):
        if start is None:
            continue
        if end is not None and end >= start:
            events[group].append((end - start).total_seconds())
        else:
            censored[group].append((AS_OF - start).total_seconds())
    return dict(events), censored
