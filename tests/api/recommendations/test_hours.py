"""Which hours come into question: windows on local clocks, and the contact rules."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from api.answers import Window
from api.recommendations.hours import hours_of_debtors, hours_of_segments, hours_within, window_from
from domain.contact_rules import DEFAULT, PRESETS, Address, Reachability, blocks
from domain.vocabulary import Channel
from ml.outcomes import CHANNELS

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)  # a Monday
ZONES = st.sampled_from(["Europe/Madrid", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe", "UTC"])
SPAN = timedelta(days=1100)
INSTANTS = st.timedeltas(timedelta(0), SPAN).map(lambda passed: NOON - SPAN / 2 + passed)


def hour_of_week(instant: datetime, zone: str) -> int:
    local = instant.astimezone(ZoneInfo(zone))
    return local.weekday() * 24 + local.hour


@given(INSTANTS, st.integers(1, 8 * 24 * 60), ZONES, st.floats(0, 1, exclude_max=True))
def test_every_instant_of_a_window_is_in_one_of_its_hours(
    start: datetime, minutes: int, zone: str, share: float
) -> None:
    window = Window(start, start + timedelta(minutes=minutes))
    inside = start + (window.end - window.start) * share
    assert hours_within(window, zone)[hour_of_week(inside, zone)]


@given(INSTANTS, st.integers(1, 6 * 24 * 60), ZONES)
def test_no_hour_is_found_that_the_window_does_not_touch(start: datetime, minutes: int, zone: str) -> None:
    window = Window(start, start + timedelta(minutes=minutes))
    instants = [start + timedelta(minutes=minute) for minute in range(minutes)]
    touched = {hour_of_week(instant, zone) for instant in (*instants, window.end - timedelta(microseconds=1))}
    found = {hour for hour, inside in enumerate(hours_within(window, zone)) if inside}
    assert found == touched


def test_a_window_without_end_holds_every_hour() -> None:
    assert all(hours_within(Window(NOON, datetime.max.replace(tzinfo=UTC)), "Europe/Madrid"))


def test_debtors_hours_are_those_no_rule_forbids() -> None:
    debtor = Reachability("Europe/Madrid", (Address(Channel.EMAIL), Address(Channel.SMS, opted_out_at=NOON)))
    hours = hours_of_debtors([debtor], known=NOON, window=window_from(None, NOON))[0]
    for hour in range(168):
        instant = NOON.replace(hour=0) + timedelta(hours=hour)
        for column, channel in enumerate(CHANNELS):
            lawful = not blocks(instant, Channel(channel), debtor)
            if instant >= NOON:
                assert hours[column, hour_of_week(instant, debtor.zone)] == lawful


def test_a_segment_in_two_zones_gets_the_hours_that_both_have() -> None:
    window = Window(NOON, NOON + timedelta(hours=3))
    here, there = ("UTC", (DEFAULT,)), ("Europe/Madrid", (DEFAULT,))
    masks = hours_of_segments({"A": [here, there], "B": [here]}, ["A", "B", "EMPTY"], window)
    assert set(np.flatnonzero(masks["B"])) == {12, 13, 14}
    assert set(np.flatnonzero(masks["A"])) == {13, 14}
    assert "EMPTY" not in masks


def test_a_segment_is_masked_by_the_rules_of_where_its_debtors_live() -> None:
    places = {"A": [("UTC", (DEFAULT,))], "B": [("UTC", (DEFAULT,)), ("America/Bogota", (PRESETS["CO"],))]}
    masks = hours_of_segments(places, ["A", "B"], None)
    assert set(masks) == {"B"}
    assert {hour // 24 for hour in np.flatnonzero(masks["B"])} == set(range(6))
