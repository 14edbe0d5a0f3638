"""How often: the spans of time that earlier and planned contacts close, each with the rule that closes it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from domain.contact_rules.facts import PastContact, Reachability
from domain.contact_rules.local_clock import local_day
from domain.contact_rules.presets import AtMost, Preset
from domain.vocabulary import Channel

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Closed:
    """From `begin` to before `end` a rule forbids contacts. channel None: on whatever channel."""

    rule: str
    message: str
    begin: datetime
    end: datetime
    channel: Channel | None


def look_back(presets: Iterable[Preset]) -> timedelta:
    """How far back contacts matter to the rules; zero when none counts contacts."""
    spans = [timedelta(0)]
    for preset in presets:
        spans += [limit.within for limit in preset.at_most]
        spans += [preset.one_channel_within or timedelta(0), preset.quiet_after_conversation or timedelta(0)]
        spans.append(timedelta(days=2) if preset.once_a_day else timedelta(0))
    return max(spans)


def closed_spans(channel: Channel, debtor: Reachability, known: datetime) -> list[Closed]:
    """The spans in which rules on how often forbid a contact on `channel`, by the contacts up to `known` and planned.

    Spans of one rule do not touch each other.
    """
    contacts = [contact for contact in debtor.contacts if contact.planned or contact.at <= known]
    if not contacts:
        return []
    found: list[Closed] = []
    for preset in debtor.presets:
        found += _of_preset(preset, channel, contacts, ZoneInfo(debtor.zone))
    return _merged(found)


def _of_preset(
    preset: Preset, channel: Channel, contacts: Sequence[PastContact], zone: ZoneInfo
) -> Iterator[Closed]:
    counted = sorted((contact for contact in contacts if contact.counted), key=lambda contact: contact.at)
    for limit in preset.at_most:
        if channel in limit.channels:
            yield from _too_many(
                preset, limit, [one.at for one in counted if one.channel in limit.channels], channel
            )
    if preset.once_a_day:
        message = "At most one contact a day, by the debtor's own calendar."
        for contact in counted:
            yield Closed(preset.own_rule("ONCE_A_DAY"), message, *local_day(contact.at, zone), None)
    if preset.one_channel_within is not None:
        message = "Another channel was used or is planned within 7 days."
        for contact in counted:
            if contact.channel != channel:
                begin, end = _around(contact.at, contact.at, preset.one_channel_within)
                yield Closed(preset.own_rule("ONE_CHANNEL_A_WEEK"), message, begin, end, channel)
    if preset.quiet_after_conversation is not None and channel == Channel.VOICE:
        message = "No call within 7 days after a conversation."
        for contact in contacts:
            if contact.conversation and contact.channel == Channel.VOICE:
                end = contact.at + preset.quiet_after_conversation
                yield Closed(preset.own_rule("QUIET_AFTER_CONVERSATION"), message, contact.at, end, channel)


def _too_many(
    preset: Preset, limit: AtMost, instants: Sequence[datetime], channel: Channel
) -> Iterator[Closed]:
    """Wherever one more would lie with `limit.contacts` others in a span shorter than `limit.within`."""
    for last in range(limit.contacts - 1, len(instants)):
        first = instants[last - limit.contacts + 1]
        if instants[last] - first < limit.within:
            begin, end = _around(instants[last], first, limit.within)
            yield Closed(preset.rule(limit.rule), limit.message, begin, end, channel)


def _around(last: datetime, first: datetime, within: timedelta) -> tuple[datetime, datetime]:
    """Whatever lies less than `within` from both: planned contacts also close what comes before them."""
    return last - within + _INSTANT, first + within


def _merged(spans: Iterable[Closed]) -> list[Closed]:
    """Overlapping and touching spans of one rule as one."""
    merged: list[Closed] = []
    for span in sorted(spans, key=lambda span: (span.rule, span.begin)):
        before = merged[-1] if merged else None
        if before is not None and before.rule == span.rule and span.begin <= before.end:
            end = max(before.end, span.end)
            merged[-1] = Closed(span.rule, span.message, before.begin, end, span.channel)
        else:
            merged.append(span)
    return merged
