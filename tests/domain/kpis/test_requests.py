"""Questions about KPIs that are refused, and what the refusal says."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.filters import FilterError, IntFilter, StringFilter, read_filter
from domain.kpis.requests import (
    KpiRequestError,
    MessageDimension,
    MessageKpiWhere,
    Period,
    check_cost,
    check_groups,
    whole_months,
)
from domain.list_where import ChannelFilter
from domain.vocabulary import Channel

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("end", [START, START - timedelta(seconds=1)])
def test_a_period_that_holds_no_instant_is_impossible(end: datetime) -> None:
    with pytest.raises(KpiRequestError, match=r"period.from .* must be before period.to") as refusal:
        Period(START, end)
    assert (refusal.value.code, refusal.value.field) == ("IMPOSSIBLE_PERIOD", "period")


def test_an_instant_without_an_offset_is_refused() -> None:
    with pytest.raises(
        KpiRequestError, match=r"period.to is 2026-02-01T00:00:00, which has no UTC offset"
    ) as refusal:
        Period(START, datetime(2026, 2, 1))  # noqa: DTZ001
    assert (refusal.value.code, refusal.value.field) == ("NAIVE_INSTANT", "period.to")


def test_a_long_period_by_many_dimensions_costs_too_much() -> None:
    period = Period(START, START + timedelta(days=730))
    with pytest.raises(
        KpiRequestError, match=r"730 days by 14 dimensions costs 10,220 day-dimensions"
    ) as refusal:
        check_cost(period, tuple(MessageDimension))
    assert (refusal.value.code, refusal.value.field) == ("TOO_COSTLY", "by")


def test_many_dimensions_or_a_long_period_alone_do_not() -> None:
    check_cost(Period(START, START + timedelta(days=400)), tuple(MessageDimension))
    check_cost(Period(START, START + timedelta(days=40_000)), tuple(MessageDimension)[:4])


def test_more_groups_than_an_answer_holds_are_told() -> None:
    check_groups(10_000)
    with pytest.raises(KpiRequestError, match=r"12,345 groups; one answer has at most 10,000") as refusal:
        check_groups(12_345)
    assert refusal.value.code == "TOO_MANY_GROUPS"


def test_states_are_never_later_than_what_is_known() -> None:
    period = Period(START, START + timedelta(days=30))
    known = START + timedelta(days=10)
    assert (period.known_start(known), period.known_end(known)) == (START, known)
    before = START - timedelta(days=1)
    assert (period.known_start(before), period.known_end(before)) == (before, before)


def test_the_ends_of_the_calendar_are_states_like_any_other() -> None:
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    period = Period(first, last)
    for known in (first, START, last):
        assert period.known_start(known) <= period.known_end(known)
        whole_months(period.known_start(known), period.known_end(known))
    assert period.known_end(START) == START


def test_a_filter_is_read_from_json() -> None:
    where = read_filter(
        MessageKpiWhere,
        {
            "segment": {"startsWith": "EARLY"},
            "channel": {"in": ["SMS", "VOICE"]},
            "agent": {"isNull": True},
            "daysPastDue": {"gte": 1, "lt": 31},
        },
    )
    assert where == MessageKpiWhere(
        segment=StringFilter(starts_with="EARLY"),
        channel=ChannelFilter(in_=(Channel.SMS, Channel.VOICE)),
        agent=StringFilter(is_null=True),
        days_past_due=IntFilter(gte=1, lt=31),
    )


def test_a_filter_on_what_is_unknown_is_refused() -> None:
    with pytest.raises(FilterError, match="has no field 'mood'"):
        read_filter(MessageKpiWhere, {"mood": {"eq": "good"}})
