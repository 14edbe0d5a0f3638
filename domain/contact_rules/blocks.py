"""Every rule that forbids a contact at an instant."""

from datetime import datetime
from zoneinfo import ZoneInfo

from domain.contact_rules.facts import Block, Reachability
from domain.contact_rules.frequency import closed_spans
from domain.contact_rules.local_clock import end_of_holidays, is_holiday, next_quarter
from domain.contact_rules.presets import Preset
from domain.contact_rules.standing import address_blocks, request_blocks
from domain.vocabulary import Channel


def blocks(at: datetime, channel: Channel, debtor: Reachability) -> list[Block]:
    """Every rule that forbids contacting `debtor` on `channel` at the instant `at`; empty when it is lawful.

    Only what was known at `at` counts, and what is planned. Raises ValueError for a naive `at`, ZoneInfoNotFoundError
    (a KeyError) for an unknown zone.
    """
    if at.tzinfo is None:
        raise ValueError("at: a naive instant; give it an offset")
    zone = ZoneInfo(debtor.zone)
    found = address_blocks(at, channel, debtor) + request_blocks(at, channel, debtor)
    for preset in debtor.presets:
        found += _time_blocks(at, preset, zone)
    found += [
        Block(span.rule, span.message, span.channel, span.end)
        for span in closed_spans(channel, debtor, known=at)
        if span.begin <= at < span.end
    ]
    return found


def _time_blocks(at: datetime, preset: Preset, zone: ZoneInfo) -> list[Block]:
    found = []
    local = at.astimezone(zone)
    if not is_open(preset, local):
        rules = "creditor's own" if preset.name == "TENANT" else preset.name
        message = f"Outside the hours in which the {rules} rules allow contact, by the debtor's own clock."
        until = next_quarter(at, lambda local: is_open(preset, local), zone)
        found.append(Block(preset.own_rule("HOURS"), message, None, until))
    if preset.holidays is not None and is_holiday(preset.holidays, local.date()):
        until = end_of_holidays(preset.holidays, at, zone)
        found.append(Block(preset.own_rule("HOLIDAY"), "A public holiday.", None, until))
    return found


def is_open(preset: Preset, local: datetime) -> bool:
    """Whether the preset's weekly hours are open at a local time; holidays aside."""
    window = preset.open_hours[local.weekday()]
    return window is not None and window[0] <= local.hour < window[1]
