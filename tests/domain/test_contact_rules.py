"""No contact that a rule forbids, whatever the zone and whatever the clocks do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.contact_rules import (
    DEFAULT,
    PRESETS,
    Address,
    Block,
    ContactRequest,
    Preset,
    Reachability,
    blocks,
    lawful_hours,
    next_lawful_instant,
)
from domain.vocabulary import Channel, ContactRequestKind

NOW = datetime(2026, 5, 6, 10, 0, tzinfo=UTC)  # a Wednesday, noon in Madrid
ROUND_THE_CLOCK = Preset("OPEN", "2026-1", open_hours=((0, 24),) * 7)
ALL_ADDRESSES = tuple(Address(channel) for channel in Channel)
MADRID = Reachability("Europe/Madrid", ALL_ADDRESSES)
SLEEPLESS = replace(MADRID, presets=(ROUND_THE_CLOCK,))


def week_mask(at: datetime, channel: Channel, debtor: Reachability) -> tuple[bool, ...]:
    return lawful_hours(channel, debtor, start=at, end=at + timedelta(days=7), known=at)


zones = st.sampled_from(sorted(available_timezones() - {"Factory", "localtime"}))
quarters = st.integers(0, 27 * 365 * 96).map(
    lambda n: datetime(2010, 1, 1, tzinfo=UTC) + n * timedelta(minutes=15)
)
near_changes = st.tuples(
    st.sampled_from(
        ["2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2026-04-04", "2026-10-03", "2011-12-30"]
    ),
    st.integers(-96 * 2, 96 * 2),
).map(lambda pair: datetime.fromisoformat(pair[0]).replace(tzinfo=UTC) + pair[1] * timedelta(minutes=15))
instants = st.one_of(quarters, near_changes)
windows = st.one_of(st.none(), st.tuples(st.integers(0, 12), st.integers(13, 24)))
presets = st.one_of(
    st.just(DEFAULT),
    st.just(ROUND_THE_CLOCK),
    st.tuples(*[windows] * 7).map(lambda hours: Preset("RANDOM", "2026-1", open_hours=hours)),
)
hours_of_day = st.one_of(st.none(), st.integers(0, 23))


@st.composite
def debtors(draw: st.DrawFn, around: datetime) -> Reachability:
    shift = st.integers(-96 * 10, 96 * 10).map(lambda n: around + n * timedelta(minutes=15))
    maybe = st.one_of(st.none(), shift)
    requests = draw(
        st.lists(
            st.builds(
                ContactRequest,
                kind=st.sampled_from(ContactRequestKind),
                made_at=shift,
                channel=st.one_of(st.none(), st.sampled_from(Channel)),
                from_hour=hours_of_day,
                to_hour=hours_of_day,
                until=maybe,
            ),
            max_size=3,
        )
    )
    address = st.builds(
        Address, channel=st.just(Channel.SMS), consented_at=maybe, opted_out_at=maybe, hard_bounced_at=maybe
    )
    addresses = draw(st.one_of(st.just([Address(Channel.SMS)]), st.lists(address, max_size=2)))
    return Reachability(draw(zones), addresses, requests)


def as_known(debtor: Reachability, at: datetime) -> Reachability:
    """The debtor without the facts that come after `at`."""

    def past(instant: datetime | None) -> datetime | None:
        return instant if instant is not None and instant <= at else None

    addresses = [
        Address(one.channel, past(one.consented_at), past(one.opted_out_at), past(one.hard_bounced_at))
        for one in debtor.addresses
    ]
    requests = [ask for ask in debtor.requests if ask.made_at <= at]
    return replace(debtor, addresses=addresses, requests=requests)


def _codes(found: list[Block]) -> set[str]:
    return {block.rule for block in found}


def _slot(at: datetime, zone: str) -> tuple[int, int]:
    local = at.astimezone(ZoneInfo(zone))
    return local.weekday(), local.hour


@settings(max_examples=150, deadline=None)
@given(st.data(), instants, st.integers(0, 6), st.integers(0, 23), presets)
def test_the_next_lawful_instant_is_lawful_and_the_first(
    data: st.DataObject, after: datetime, weekday: int, hour: int, preset: Preset
) -> None:
    debtor = replace(data.draw(debtors(after)), presets=(preset,))
    found = next_lawful_instant(after, weekday, hour, Channel.SMS, debtor)
    scanned = (after + k * timedelta(minutes=15) for k in range(16 * 96))
    first = next(
        (
            at
            for at in scanned
            if _slot(at, debtor.zone) == (weekday, hour) and not blocks(at, Channel.SMS, debtor)
        ),
        None,
    )
    if first is not None:
        assert found == first
    elif found is not None:
        assert found >= after + timedelta(days=16)
        assert _slot(found, debtor.zone) == (weekday, hour)
        assert blocks(found, Channel.SMS, debtor) == []


@settings(max_examples=60, deadline=None)
@given(st.data(), instants, presets, st.integers(1, 9 * 24 * 4))
def test_lawful_hours_are_those_that_have_a_lawful_instant(
    data: st.DataObject, at: datetime, preset: Preset, quarters: int
) -> None:
    known = as_known(replace(data.draw(debtors(at)), presets=(preset,)), at)
    end = at + quarters * timedelta(minutes=15)
    mask = lawful_hours(Channel.SMS, known, start=at, end=end, known=at)
    assert len(mask) == 168
    for hour, lawful in enumerate(mask):
        found = next_lawful_instant(at, hour // 24, hour % 24, Channel.SMS, known, before=end)
        assert lawful == (found is not None)


@settings(max_examples=200, deadline=None)
@given(st.data(), instants, presets)
def test_a_rule_forbids_right_up_to_its_until(data: st.DataObject, at: datetime, preset: Preset) -> None:
    debtor = replace(data.draw(debtors(at)), presets=(preset,))
    known = replace(debtor, requests=[ask for ask in debtor.requests if ask.made_at <= at])
    for block in blocks(at, Channel.SMS, known):
        if block.until is not None and not block.rule.startswith("REQUEST"):
            assert block.until > at
            before = block.until - timedelta(minutes=1)
            if before >= at:
                assert block.rule in _codes(blocks(before, Channel.SMS, known))
            assert block.rule not in _codes(blocks(block.until, Channel.SMS, known))


@pytest.mark.parametrize("local", [7, 8, 12, 20, 21, 23, 0])
@pytest.mark.parametrize(
    "zone", ["Europe/Madrid", "America/Chicago", "Asia/Kathmandu", "Australia/Lord_Howe"]
)
def test_the_default_preset_is_open_from_08_to_21_on_the_debtors_clock(zone: str, local: int) -> None:
    at = datetime(2026, 5, 6, local, 59, 59, tzinfo=ZoneInfo(zone))
    found = blocks(at, Channel.VOICE, Reachability(zone, ALL_ADDRESSES))
    assert _codes(found) == (set() if 8 <= local < 21 else {"DEFAULT_HOURS@2026-1"})
    assert PRESETS["default"].code == "DEFAULT@2026-1"


def test_an_hours_block_says_when_it_ends() -> None:
    late = datetime(2026, 5, 6, 22, 30, tzinfo=ZoneInfo("Europe/Madrid"))
    (block,) = blocks(late, Channel.EMAIL, MADRID)
    assert block.until == datetime(2026, 5, 7, 6, 0, tzinfo=UTC)
    assert block.channel is None


def test_an_hour_that_a_clock_change_skips_waits_a_week() -> None:
    saturday = datetime(2026, 3, 28, 12, tzinfo=UTC)
    found = next_lawful_instant(saturday, 6, 2, Channel.SMS, SLEEPLESS)
    assert found == datetime(2026, 4, 5, 0, 0, tzinfo=UTC)


def test_an_hour_that_a_clock_change_repeats_comes_twice() -> None:
    first, second = datetime(2026, 10, 25, 0, 0, tzinfo=UTC), datetime(2026, 10, 25, 1, 0, tzinfo=UTC)
    for after, expected in (
        (first - timedelta(hours=3), first),
        (first + timedelta(minutes=20), first + timedelta(minutes=20)),
        (second + timedelta(minutes=40), second + timedelta(minutes=40)),
        (second + timedelta(hours=1), datetime(2026, 11, 1, 1, 0, tzinfo=UTC)),
    ):
        assert next_lawful_instant(after, 6, 2, Channel.SMS, SLEEPLESS) == expected


def test_an_hour_that_comes_back_after_another_is_found_again() -> None:
    """Troll moves by two hours: on 2026-10-25 the hours run 1, 2, 1, 2."""
    debtor = Reachability("Antarctica/Troll", ALL_ADDRESSES, presets=(ROUND_THE_CLOCK,))
    between = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    found = next_lawful_instant(between, 6, 1, Channel.SMS, debtor)
    assert found == datetime(2026, 10, 25, 1, 0, tzinfo=UTC)


def test_half_an_hour_skipped_leaves_the_other_half() -> None:
    """Lord Howe Island moves by 30 minutes: on 2026-10-04 the hour of two begins at half past."""
    debtor = Reachability("Australia/Lord_Howe", ALL_ADDRESSES, presets=(ROUND_THE_CLOCK,))
    after = datetime(2026, 10, 3, 12, 0, tzinfo=UTC)
    found = next_lawful_instant(after, 6, 2, Channel.SMS, debtor)
    assert found == datetime(2026, 10, 3, 15, 30, tzinfo=UTC)
    assert found is not None
    assert found.astimezone(ZoneInfo(debtor.zone)).strftime("%H:%M") == "02:30"


def test_a_day_that_never_was_is_passed_over() -> None:
    """Samoa had no Friday, 30 December 2011."""
    debtor = Reachability("Pacific/Apia", ALL_ADDRESSES)
    found = next_lawful_instant(datetime(2011, 12, 29, 0, tzinfo=UTC), 4, 10, Channel.SMS, debtor)
    assert found is not None
    assert found.astimezone(ZoneInfo(debtor.zone)).date().isoformat() == "2012-01-06"


def test_a_window_that_ends_too_soon_has_no_instant() -> None:
    before = datetime(2026, 5, 8, 7, 0, tzinfo=UTC)
    assert next_lawful_instant(NOW, 4, 9, Channel.SMS, MADRID, before=before) is None
    assert next_lawful_instant(NOW, 4, 9, Channel.SMS, MADRID, before=before + timedelta(hours=1)) == before
    assert next_lawful_instant(NOW, 4, 3, Channel.SMS, MADRID) is None


def test_opting_out_closes_one_channel_until_consent_is_given_again() -> None:
    out = Address(Channel.SMS, opted_out_at=NOW - timedelta(days=3))
    debtor = Reachability("Europe/Madrid", [out, Address(Channel.EMAIL)])
    assert _codes(blocks(NOW, Channel.SMS, debtor)) == {"OPT_OUT@2026-1"}
    assert blocks(NOW, Channel.EMAIL, debtor) == []
    assert blocks(NOW - timedelta(days=4), Channel.SMS, debtor) == []
    assert week_mask(NOW, Channel.SMS, debtor) == (False,) * 168
    again = replace(debtor, addresses=[replace(out, consented_at=NOW - timedelta(days=1))])
    assert blocks(NOW, Channel.SMS, again) == []


def test_opting_out_by_one_address_closes_the_channel_for_all_until_a_consent_by_any() -> None:
    out, other = (
        Address(Channel.SMS, opted_out_at=NOW - timedelta(days=3)),
        Address(Channel.SMS, consented_at=NOW - timedelta(days=9)),
    )
    debtor = Reachability("Europe/Madrid", [other, out])
    assert _codes(blocks(NOW, Channel.SMS, debtor)) == {"OPT_OUT@2026-1"}
    again = replace(other, consented_at=NOW - timedelta(days=1))
    assert blocks(NOW, Channel.SMS, replace(debtor, addresses=[out, again])) == []


def test_one_good_address_is_enough() -> None:
    bounced = Address(Channel.EMAIL, hard_bounced_at=NOW - timedelta(days=1))
    assert _codes(blocks(NOW, Channel.EMAIL, Reachability("Europe/Madrid", [bounced]))) == {
        "HARD_BOUNCE@2026-1"
    }
    (block,) = blocks(NOW, Channel.EMAIL, Reachability("Europe/Madrid", [bounced]))
    assert "verified_at of a contact point" in block.message  # the way out
    assert blocks(NOW, Channel.EMAIL, Reachability("Europe/Madrid", [bounced, Address(Channel.EMAIL)])) == []
    assert _codes(blocks(NOW, Channel.PUSH, Reachability("Europe/Madrid", [bounced]))) == {
        "NO_ADDRESS@2026-1"
    }


def test_a_preset_may_require_consent() -> None:
    strict = replace(DEFAULT, consent_required=frozenset({Channel.WHATSAPP}))
    asked = replace(MADRID, presets=(DEFAULT, strict))
    assert _codes(blocks(NOW, Channel.WHATSAPP, asked)) == {"CONSENT@2026-1"}
    assert blocks(NOW, Channel.SMS, asked) == []
    given_ = replace(asked, addresses=[Address(Channel.WHATSAPP, consented_at=NOW - timedelta(days=1))])
    assert blocks(NOW, Channel.WHATSAPP, given_) == []


def _asked(*requests: ContactRequest) -> Reachability:
    return replace(MADRID, requests=requests)


def test_stop_holds_for_its_channel_or_for_all() -> None:
    yesterday = NOW - timedelta(days=1)
    calls = _asked(ContactRequest(ContactRequestKind.STOP, yesterday, Channel.VOICE))
    assert _codes(blocks(NOW, Channel.VOICE, calls)) == {"REQUEST_STOP@2026-1"}
    assert blocks(NOW, Channel.SMS, calls) == []
    everything = _asked(ContactRequest(ContactRequestKind.STOP, yesterday))
    assert all(_codes(blocks(NOW, channel, everything)) == {"REQUEST_STOP@2026-1"} for channel in Channel)
    assert next_lawful_instant(NOW, 2, 12, Channel.SMS, everything) is None
    assert blocks(yesterday - timedelta(hours=1), Channel.SMS, everything) == []


def test_not_before_waits_and_then_lets_through() -> None:
    until = datetime(2026, 5, 20, 9, 30, tzinfo=UTC)
    debtor = _asked(ContactRequest(ContactRequestKind.NOT_BEFORE, NOW - timedelta(days=1), until=until))
    (block,) = blocks(NOW, Channel.SMS, debtor)
    assert (block.rule, block.until) == ("REQUEST_NOT_BEFORE@2026-1", until)
    assert next_lawful_instant(NOW, 2, 11, Channel.SMS, debtor) == until
    assert next_lawful_instant(NOW, 2, 10, Channel.SMS, debtor) == datetime(2026, 5, 27, 8, 0, tzinfo=UTC)
    assert not any(week_mask(NOW, Channel.SMS, debtor))
    fortnight = lawful_hours(Channel.SMS, debtor, start=NOW, end=NOW + timedelta(days=15), known=NOW)
    assert {hour for hour, lawful in enumerate(fortnight) if lawful} == {
        *range(2 * 24 + 11, 2 * 24 + 21),
        *range(3 * 24 + 8, 3 * 24 + 12),
    }


def test_only_between_narrows_hours_and_the_newest_wish_counts() -> None:
    lunch = ContactRequest(ContactRequestKind.ONLY_BETWEEN, NOW - timedelta(days=2), from_hour=12, to_hour=14)
    night = ContactRequest(ContactRequestKind.ONLY_BETWEEN, NOW - timedelta(days=1), from_hour=20, to_hour=10)
    only = [h % 24 for h, ok in enumerate(week_mask(NOW, Channel.SMS, _asked(lunch))) if ok]
    assert sorted(set(only)) == [12, 13]
    wished = [h % 24 for h, ok in enumerate(week_mask(NOW, Channel.SMS, _asked(lunch, night))) if ok]
    assert sorted(set(wished)) == [8, 9, 20]
    (block,) = blocks(NOW, Channel.SMS, _asked(lunch, night))
    assert block.rule == "REQUEST_ONLY_BETWEEN@2026-1"
    assert block.until == datetime(2026, 5, 6, 18, 0, tzinfo=UTC)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="at: a naive instant"):
        blocks(NOW.replace(tzinfo=None), Channel.SMS, MADRID)
    with pytest.raises(ValueError, match="after: a naive instant"):
        next_lawful_instant(NOW.replace(tzinfo=None), 0, 9, Channel.SMS, MADRID)
    with pytest.raises(ValueError, match="weekday 7, hour 9"):
        next_lawful_instant(NOW, 7, 9, Channel.SMS, MADRID)
    with pytest.raises(KeyError):
        blocks(NOW, Channel.SMS, Reachability("Europe/Atlantis", ALL_ADDRESSES))
