"""Delivered or bounced, from a funnel: the table of kpis.md row by row, and the laws that follow from it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.communications import Outcome, outcome
from domain.vocabulary import BounceKind, Channel

START = datetime(2026, 4, 1, tzinfo=UTC)


def at(hours: int) -> datetime:
    return START + timedelta(hours=hours)


def funnel(channel: Channel = Channel.EMAIL, *, delivered=None, hard=None, soft=None, engaged=()) -> Outcome:
    return outcome(
        channel, delivered_at=delivered, bounced_hard_at=hard, bounced_soft_at=soft, engaged_at=tuple(engaged)
    )


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (funnel(), Outcome(False, None, None, None)),
        (funnel(delivered=at(1)), Outcome(True, at(1), None, None)),
        (funnel(delivered=at(1), hard=at(2)), Outcome(False, None, at(2), BounceKind.HARD)),
        (funnel(delivered=at(1), soft=at(2)), Outcome(True, at(1), None, None)),
        (funnel(hard=at(3), soft=at(2)), Outcome(False, None, at(3), BounceKind.HARD)),
        (funnel(soft=at(2)), Outcome(False, None, at(2), BounceKind.SOFT)),
        (funnel(hard=at(1), engaged=[at(5), None]), Outcome(True, at(5), None, None)),
        (funnel(delivered=at(2), engaged=[at(1)]), Outcome(True, at(1), None, None)),
        (funnel(Channel.LETTER), Outcome(True, None, None, None)),
        (funnel(Channel.LETTER, soft=at(1)), Outcome(False, None, at(1), BounceKind.SOFT)),
        (funnel(Channel.LETTER, delivered=at(1), soft=at(2)), Outcome(True, at(1), None, None)),
    ],
)
def test_the_rules_of_the_dictionary(found: Outcome, expected: Outcome) -> None:
    assert found == expected


instants = st.none() | st.integers(0, 100).map(at)


@given(st.sampled_from(Channel), instants, instants, instants, st.lists(instants, max_size=5))
def test_it_is_one_thing_at_most_and_a_person_proves_delivery(
    channel, delivered, hard, soft, engaged
) -> None:
    found = funnel(channel, delivered=delivered, hard=hard, soft=soft, engaged=engaged)
    assert not (found.delivered and found.bounce_kind)
    assert (found.bounced_at is None) == (found.bounce_kind is None)
    if any(engaged):
        assert found.delivered
    if found.delivered_at is not None:
        assert found.delivered
        assert found.delivered_at <= min(each for each in (delivered, *engaged) if each is not None)
