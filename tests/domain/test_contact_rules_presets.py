"""Every preset against the rules said again naively: no instant that the product calls lawful breaks one."""

import os
import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.contact_rules import (
    DEFAULT,
    PRESETS,
    Address,
    PastContact,
    Reachability,
    blocks,
    lawful_hours,
    next_lawful_instant,
    open_hours,
    preset_for,
    rules_version,
)
from domain.contact_rules.tenant_rules import TenantRulesError, presets_at, tenant_presets
from domain.vocabulary import Channel
from tests.domain.contact_rules_oracle import broken_rules
from tests.domain.random_debtors import random_debtor

NOW = datetime(2026, 5, 6, 15, tzinfo=UTC)  # a Wednesday
EVERY_CHANNEL = tuple(Address(channel, consented_at=NOW - timedelta(days=900)) for channel in Channel)
DECISIONS = 5_000 if os.environ.get("DUNWELL_TEST_LONG") else 150


def debtor_of(preset: str, *contacts: PastContact, zone: str = "America/Bogota") -> Reachability:
    return Reachability(zone, EVERY_CHANNEL, (), contacts, (PRESETS[preset],))


def codes(at: datetime, channel: Channel, debtor: Reachability) -> set[str]:
    return {block.rule.split("@")[0] for block in blocks(at, channel, debtor)}


def called(*ago: float, conversation: bool = False) -> list[PastContact]:
    return [PastContact(Channel.VOICE, NOW - timedelta(days=days), conversation) for days in ago]


@pytest.mark.parametrize("preset", PRESETS)
def test_blocks_agree_with_the_rules_said_again(preset: str) -> None:
    draw = random.Random(preset)
    for _ in range(DECISIONS):
        debtor, at = random_debtor(draw, PRESETS[preset])
        channel = draw.choice(list(Channel))
        known = [one for one in debtor.contacts if one.planned or one.at <= at]
        broken = broken_rules(
            preset,
            debtor.zone,
            channel,
            at,
            addresses=debtor.addresses,
            requests=debtor.requests,
            contacts=known,
        )
        assert bool(blocks(at, channel, debtor)) == bool(broken), (debtor, at, channel, broken)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_slot_of_a_mask_has_an_instant_that_breaks_no_rule(preset: str) -> None:
    draw = random.Random(f"slots {preset}")
    found = 0
    for _ in range(DECISIONS):
        debtor, at = random_debtor(draw, PRESETS[preset])
        end = at + timedelta(days=draw.choice([1, 7, 10]))
        channel = draw.choice(list(Channel))
        mask = lawful_hours(channel, debtor, start=at, end=end, known=at)
        open_ = [hour for hour, lawful in enumerate(mask) if lawful]
        for hour in draw.sample(open_, min(2, len(open_))):
            instant = next_lawful_instant(at, hour // 24, hour % 24, channel, debtor, before=end)
            assert instant is not None, (debtor, at, channel, hour)
            assert at <= instant < end
            assert not broken_rules(
                preset,
                debtor.zone,
                channel,
                instant,
                addresses=debtor.addresses,
                requests=debtor.requests,
                contacts=debtor.contacts,
            )
            found += 1
    assert found > DECISIONS / 10


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(PRESETS)), st.sampled_from(sorted(PRESETS)), st.integers(0, 10**9))
def test_one_more_preset_never_allows_more(one: str, other: str, seed: int) -> None:
    debtor, at = random_debtor(random.Random(seed), PRESETS[one])
    both = Reachability(
        debtor.zone, debtor.addresses, debtor.requests, debtor.contacts, (PRESETS[one], PRESETS[other])
    )
    for channel in Channel:
        span = {"start": at, "end": at + timedelta(days=7), "known": at}
        alone, tight = lawful_hours(channel, debtor, **span), lawful_hours(channel, both, **span)
        assert not any(now and not before for before, now in zip(alone, tight, strict=True))
        if not blocks(at, channel, both):
            assert not blocks(at, channel, debtor)


def test_seven_calls_in_seven_days_close_the_phone_until_the_first_is_a_week_old() -> None:
    debtor = debtor_of("US", *called(6.5, 6, 5, 4, 3, 2, 1), zone="America/Chicago")
    (block,) = blocks(NOW, Channel.VOICE, debtor)
    assert block.rule == "US_REG_F_7_IN_7@2026-1"
    assert block.until == NOW + timedelta(days=0.5)
    assert blocks(NOW, Channel.SMS, debtor) == []
    six = debtor_of("US", *called(6, 5, 4, 3, 2, 1), zone="America/Chicago")
    assert blocks(NOW, Channel.VOICE, six) == []


def test_after_a_conversation_no_call_for_seven_days() -> None:
    debtor = debtor_of("US", *called(3, conversation=True), zone="America/Chicago")
    (block,) = blocks(NOW, Channel.VOICE, debtor)
    assert (block.rule, block.until) == ("US_QUIET_AFTER_CONVERSATION@2026-1", NOW + timedelta(days=4))
    own_call = PastContact(Channel.VOICE, NOW - timedelta(days=1), conversation=True, counted=False)
    assert codes(NOW, Channel.VOICE, debtor_of("US", own_call, zone="America/Chicago"))


def test_massachusetts_counts_calls_and_texts_together() -> None:
    text = PastContact(Channel.SMS, NOW - timedelta(days=2))
    debtor = debtor_of("US-MA", *called(1), text, zone="America/New_York")
    assert codes(NOW, Channel.SMS, debtor) == {"US_MA_2_IN_7"}
    assert codes(NOW, Channel.EMAIL, debtor) == set()


def test_colombia_allows_one_contact_a_day_on_one_channel_a_week() -> None:
    text = PastContact(Channel.SMS, NOW - timedelta(hours=2))
    assert codes(NOW, Channel.SMS, debtor_of("CO", text)) == {"CO_ONCE_A_DAY"}
    tomorrow = NOW + timedelta(days=1)
    assert codes(tomorrow, Channel.SMS, debtor_of("CO", text)) == set()
    assert codes(tomorrow, Channel.VOICE, debtor_of("CO", text)) == {"CO_ONE_CHANNEL_A_WEEK"}
    assert codes(datetime(2026, 7, 20, 15, tzinfo=UTC), Channel.SMS, debtor_of("CO")) == {"CO_HOLIDAY"}
    unasked = Reachability("America/Bogota", [Address(Channel.SMS)], presets=(PRESETS["CO"],))
    assert codes(NOW, Channel.SMS, unasked) == {"CONSENT"}


def test_a_holiday_ends_when_those_that_follow_it_have() -> None:
    """Maundy Thursday and Good Friday of 2026, in Colombia."""
    thursday = datetime(2026, 4, 2, 15, tzinfo=UTC)
    (block,) = blocks(thursday, Channel.SMS, debtor_of("CO"))
    assert block.rule == "CO_HOLIDAY@2026-1"
    assert block.until == datetime(2026, 4, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            {"channels": ["VOICE", "SMS"], "contacts": 3, "days": 7},
            "At most 3 contacts by text message or telephone in any 7 days, by the creditor's own rules.",
        ),
        (
            {"channels": ["LETTER"], "contacts": 1, "days": 1},
            "At most one contact by letter in any 24 hours, by the creditor's own rules.",
        ),
        (
            {"channels": list(Channel), "contacts": 1, "days": 2},
            "At most one contact in any 2 days, by the creditor's own rules.",
        ),
        (
            {"channels": ["EMAIL", "WHATSAPP", "PUSH"], "contacts": 2, "days": 30},
            "At most 2 contacts by e-mail, WhatsApp or push message in any 30 days, by the creditor's own rules.",
        ),
    ],
)
def test_a_tenants_limit_says_of_what_in_the_number_it_has(rule: dict[str, object], message: str) -> None:
    (own,) = tenant_presets({"at_most": [rule]})
    assert own.at_most[0].message == message


def test_chile_spaces_messages_and_calls() -> None:
    zone = "America/Santiago"
    assert codes(NOW, Channel.VOICE, debtor_of("CL", *called(6), zone=zone)) == {"CL_CALL_A_WEEK"}
    mail = PastContact(Channel.EMAIL, NOW - timedelta(days=1))
    assert codes(NOW, Channel.SMS, debtor_of("CL", mail, zone=zone)) == {"CL_MESSAGES_2_DAYS_APART"}
    assert codes(NOW, Channel.VOICE, debtor_of("CL", mail, zone=zone)) == set()
    two = [PastContact(Channel.EMAIL, NOW - timedelta(days=days)) for days in (3, 6)]
    assert codes(NOW, Channel.SMS, debtor_of("CL", *two, zone=zone)) == {"CL_2_MESSAGES_A_WEEK"}


def test_ecuador_rests_on_weekends() -> None:
    saturday = datetime(2026, 5, 9, 15, tzinfo=UTC)
    assert codes(saturday, Channel.SMS, debtor_of("EC", zone="America/Guayaquil")) == {"EC_HOURS"}


def test_what_is_planned_closes_what_would_come_before_it() -> None:
    planned = PastContact(Channel.SMS, NOW + timedelta(days=3), planned=True)
    debtor = debtor_of("CO", planned)
    assert codes(NOW, Channel.VOICE, debtor) == {"CO_ONE_CHANNEL_A_WEEK"}
    assert codes(NOW, Channel.SMS, debtor) == set()


def test_mexico_is_open_from_07_to_22_and_massachusetts_is_found_by_region() -> None:
    hours = [hour for hour, is_open in enumerate(open_hours((PRESETS["MX"],))[:24]) if is_open]
    assert (hours[0], hours[-1]) == (7, 21)
    assert preset_for("US", "US-MA").name == "US-MA"
    assert preset_for("US", "US-CA").name == "US"
    assert preset_for("GB", "GB-LND").name == "UK"
    assert preset_for("JP") is DEFAULT
    assert {preset_for(territory).name for territory in ("PR", "GU", "VI", "AS", "MP", "UM")} == {"US"}


def test_a_tenants_rules_only_close() -> None:
    own = tenant_presets(
        {
            "also": ["MX"],
            "hours": {"from": 6, "to": 12},
            "closed_weekdays": ["SUNDAY"],
            "consent_required": ["WHATSAPP"],
            "at_most": [{"channels": ["SMS"], "contacts": 1, "days": 30}],
            "once_a_day": True,
        }
    )
    presets = (PRESETS["ES"], *own)
    assert rules_version(presets).startswith("ES@2026-1+MX@2026-1+TENANT@")
    open_ = [hour for hour, is_open in enumerate(open_hours(presets)) if is_open]
    assert {hour % 24 for hour in open_} == {8, 9, 10, 11}
    assert max(open_) < 6 * 24
    past = PastContact(Channel.SMS, NOW - timedelta(days=20))
    debtor = Reachability("Europe/Madrid", [Address(channel) for channel in Channel], (), [past], presets)
    morning = NOW.astimezone(ZoneInfo("Europe/Madrid")).replace(hour=9)
    assert codes(morning, Channel.SMS, debtor) == {"TENANT_1_IN_30"}
    assert codes(morning, Channel.WHATSAPP, debtor) == {"CONSENT"}
    assert codes(morning, Channel.EMAIL, debtor) == set()
    assert tenant_presets(None) == tenant_presets({}) == ()


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"open": 1}, "open"),
        ({"also": ["XX"]}, "also"),
        ({"also": "MX"}, "also"),
        ({"hours": {"from": 9}}, "hours"),
        ({"hours": {"from": 12, "to": 9}}, "hours"),
        ({"hours": {"from": True, "to": 9}}, "hours"),
        ({"closed_weekdays": ["FUNDAY"]}, "closed_weekdays"),
        ({"holidays": "XX"}, "holidays"),
        ({"consent_required": ["PIGEON"]}, "consent_required"),
        ({"at_most": [{"channels": ["SMS"], "contacts": 0, "days": 7}]}, "at_most"),
        ({"at_most": [{"channels": [], "contacts": 1, "days": 7}]}, "at_most"),
        ({"at_most": [{}]}, "at_most"),
        ({"once_a_day": 1}, "once_a_day"),
    ],
)
def test_rules_that_cannot_be_read_are_named(rules: dict, field: str) -> None:
    with pytest.raises(TenantRulesError) as error:
        tenant_presets(rules)
    assert error.value.field == field
    assert error.value.code == "BAD_CONTACT_RULES"


@pytest.mark.parametrize(
    ("country", "region", "bound"),
    [
        ("US", "US-MA", ["US-MA"]),
        ("US", "US-XX", ["US"]),
        ("CO", "US-MA", ["CO", "US-MA"]),
        ("CO", "US-TX", ["CO", "US"]),
        ("CO", "DE-BE", ["CO"]),
        ("DE", "AT-9", ["DEFAULT"]),
        ("GB", "GB-ENG", ["UK"]),
    ],
)
def test_a_region_of_another_country_loosens_nothing(country: str, region: str, bound: list[str]) -> None:
    assert [preset.name for preset in presets_at(country, region, ())] == bound
