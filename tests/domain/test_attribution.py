from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.attribution import Engagement, attribute
from domain.collection_settings import CollectionSettings
from domain.vocabulary import Direction, EventKind

PAID = datetime(2026, 3, 20, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def _event(
    kind: EventKind,
    before: timedelta,
    communication: str | None = "C",
    *,
    sent: int = 30,
    automated: bool = False,
) -> Engagement:
    sent_at = PAID - timedelta(days=sent)
    return Engagement(kind, PAID - before, automated, communication, Direction.OUTBOUND, sent_at)


def test_its_own_communication_comes_first() -> None:
    assert attribute(PAID, "OWN", [_event(EventKind.CLICKED, timedelta(0))]) == "OWN"


@pytest.mark.parametrize("kind", [EventKind.CLICKED, EventKind.LANDED])
def test_a_click_or_landing_counts_for_seven_days(kind: EventKind) -> None:
    week = timedelta(days=7)
    assert attribute(PAID, None, [_event(kind, timedelta(0))]) == "C"
    assert attribute(PAID, None, [_event(kind, week - TICK)]) == "C"
    assert attribute(PAID, None, [_event(kind, week)]) is None
    assert attribute(PAID, None, [_event(kind, -TICK)]) is None


@pytest.mark.parametrize("kind", [EventKind.OPENED, EventKind.RIGHT_PARTY_CONTACTED])
def test_an_open_or_right_party_contact_counts_for_three_days(kind: EventKind) -> None:
    three = timedelta(days=3)
    assert attribute(PAID, None, [_event(kind, three - TICK)]) == "C"
    assert attribute(PAID, None, [_event(kind, three)]) is None


def test_a_click_beats_a_later_open() -> None:
    events = [
        _event(EventKind.CLICKED, timedelta(days=6), "OLD"),
        _event(EventKind.OPENED, timedelta(hours=1), "NEW"),
    ]
    assert attribute(PAID, None, events) == "OLD"


def test_the_latest_of_a_kind_wins_even_if_not_the_first_of_its_communication() -> None:
    events = [
        _event(EventKind.CLICKED, timedelta(days=5), "A"),
        _event(EventKind.CLICKED, timedelta(days=4), "B"),
        _event(EventKind.LANDED, timedelta(days=3), "A"),
    ]
    assert attribute(PAID, None, events) == "A"


def test_ties_go_to_the_later_sent_then_to_the_greater_reference() -> None:
    at = timedelta(days=1)
    events = [_event(EventKind.CLICKED, at, "Z", sent=9), _event(EventKind.CLICKED, at, "A", sent=8)]
    assert attribute(PAID, None, events) == "A"
    events.append(_event(EventKind.LANDED, at, "B", sent=8))
    assert attribute(PAID, None, events) == "B"


def test_machines_direct_visits_and_inbound_traffic_are_passed_over() -> None:
    clicked = _event(EventKind.CLICKED, timedelta(hours=1))
    assert attribute(PAID, None, [replace(clicked, automated=True)]) is None
    assert attribute(PAID, None, [replace(clicked, communication=None, direction=None, sent_at=None)]) is None
    assert attribute(PAID, None, [replace(clicked, direction=Direction.INBOUND)]) is None


def test_a_right_party_contact_is_a_persons_whatever_its_flag_says() -> None:
    reached = _event(EventKind.RIGHT_PARTY_CONTACTED, timedelta(hours=1), automated=True)
    assert attribute(PAID, None, [reached]) == "C"


@pytest.mark.parametrize("kind", [EventKind.DELIVERED, EventKind.REPLIED, EventKind.PAYMENT_STARTED])
def test_other_events_are_no_cause(kind: EventKind) -> None:
    assert attribute(PAID, None, [_event(kind, timedelta(hours=1))]) is None


def test_windows_are_settings() -> None:
    settings = CollectionSettings(click_window=timedelta(days=1), open_window=timedelta(days=30))
    events = [
        _event(EventKind.CLICKED, timedelta(days=2), "CLICK"),
        _event(EventKind.OPENED, timedelta(days=9), "OPEN"),
    ]
    assert attribute(PAID, None, events, settings) == "OPEN"


events = st.builds(
    _event,
    st.sampled_from([EventKind.CLICKED, EventKind.LANDED, EventKind.OPENED, EventKind.REPLIED]),
    st.integers(-2, 9).map(lambda days: timedelta(days=days)),
    st.sampled_from([None, "A", "B", "C"]),
    sent=st.integers(1, 3),
    automated=st.booleans(),
)


@given(st.lists(events, max_size=8), st.randoms())
def test_the_order_of_events_does_not_matter(found: list[Engagement], rng) -> None:
    assert attribute(PAID, None, rng.sample(found, len(found))) == attribute(PAID, None, found)
