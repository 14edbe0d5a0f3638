"""The contact rules said again, naively and apart from the product: one question, one contact at a time.

Whatever the product decides must pass this; it is written from docs/contact-rules.md and shares no code with `domain`
but the words.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import holidays

from domain.contact_rules import Address, ContactRequest, PastContact
from domain.vocabulary import Channel, ContactRequestKind

_HOLIDAYS: dict[tuple[str, int], frozenset[date]] = {}
_WEEK = timedelta(days=7)


def is_holiday(country: str, day: date) -> bool:
    key = (country, day.year)
    if key not in _HOLIDAYS:
        _HOLIDAYS[key] = frozenset(holidays.country_holidays(country, years=day.year))
    return day in _HOLIDAYS[key]


def broken_rules(
    preset: str,
    zone: str,
    channel: Channel,
    at: datetime,
    *,
    addresses: Sequence[Address] = (),
    requests: Sequence[ContactRequest] = (),
    contacts: Sequence[PastContact] = (),
) -> list[str]:
    """What forbids a contact at `at`, in words; empty: nothing."""
    local = at.astimezone(ZoneInfo(zone))
    found = _hours(preset, local)
    found += _addresses(preset, channel, at, addresses)
    found += _requests(channel, at, local, requests)
    made = [one for one in contacts if one.counted]
    found += _frequency(preset, channel, at, local, made, ZoneInfo(zone))
    talks = [one for one in contacts if one.conversation and one.channel == Channel.VOICE]
    if preset in ("US", "US-MA") and channel == Channel.VOICE:
        found += ["call after a conversation" for one in talks if timedelta(0) <= at - one.at < _WEEK]
    return found


def _hours(preset: str, local: datetime) -> list[str]:
    hour, weekday = local.hour, local.weekday()
    if preset == "CO":
        lawful = 7 <= hour < 19 if weekday < 5 else weekday == 5 and 8 <= hour < 15
        lawful = lawful and not is_holiday("CO", local.date())
    elif preset == "CL":
        lawful = weekday < 6 and 8 <= hour < 20 and not is_holiday("CL", local.date())
    elif preset == "MX":
        lawful = 7 <= hour < 22
    elif preset == "EC":
        lawful = weekday < 5 and 7 <= hour < 20 and not is_holiday("EC", local.date())
    else:
        lawful = 8 <= hour < 21
    return [] if lawful else ["hours"]


def _addresses(preset: str, channel: Channel, at: datetime, addresses: Sequence[Address]) -> list[str]:
    mine = [address for address in addresses if address.channel == channel]
    consents = [one.consented_at for one in mine if one.consented_at is not None and one.consented_at <= at]
    refusals = [one.opted_out_at for one in mine if one.opted_out_at is not None and one.opted_out_at <= at]
    refused = any(all(consent <= refusal for consent in consents) for refusal in refusals)
    reached = any(one.hard_bounced_at is None or one.hard_bounced_at > at for one in mine)
    return [] if reached and not refused and (consents or preset != "CO") else ["no usable address"]


def _requests(
    channel: Channel, at: datetime, local: datetime, requests: Sequence[ContactRequest]
) -> list[str]:
    live = [
        ask
        for ask in requests
        if ask.made_at <= at and (ask.until is None or at < ask.until) and ask.channel in (None, channel)
    ]
    found = [ask.kind.value for ask in live if ask.kind != ContactRequestKind.ONLY_BETWEEN]
    for about in (None, channel):
        wishes = [ask for ask in live if ask.kind == ContactRequestKind.ONLY_BETWEEN and ask.channel == about]
        if wishes:
            wish = max(wishes, key=lambda ask: ask.made_at)
            low, high = wish.from_hour or 0, 24 if wish.to_hour is None else wish.to_hour
            inside = low <= local.hour < high if low <= high else local.hour >= low or local.hour < high
            found += [] if inside else ["asked for other hours"]
    return found


def _frequency(
    preset: str,
    channel: Channel,
    at: datetime,
    local: datetime,
    made: Sequence[PastContact],
    zone: ZoneInfo,
) -> list[str]:
    calls, texts = {Channel.VOICE}, {Channel.SMS, Channel.WHATSAPP}
    others = set(Channel) - calls
    found = []
    if preset in ("US", "US-MA") and _too_many(made, calls, channel, at, 7, _WEEK):
        found.append("8 calls in 7 days")
    if preset == "US-MA" and _too_many(made, calls | texts, channel, at, 2, _WEEK):
        found.append("3 calls or texts in 7 days")
    if preset == "CL":
        for group, most, within in ((calls, 1, 7), (others, 2, 7), (others, 1, 2)):
            if _too_many(made, group, channel, at, most, timedelta(days=within)):
                found.append(f"more than {most} in {within} days")
    if preset in ("CO", "EC") and any(one.at.astimezone(zone).date() == local.date() for one in made):
        found.append("twice a day")
    if preset == "CO" and any(one.channel != channel and abs(one.at - at) < _WEEK for one in made):
        found.append("two channels in a week")
    return found


def _too_many(
    made: Sequence[PastContact],
    group: set[Channel],
    channel: Channel,
    at: datetime,
    most: int,
    within: timedelta,
) -> bool:
    """Whether with one more at `at` some span shorter than `within` that holds it has more than `most`."""
    if channel not in group:
        return False
    instants = sorted([*(one.at for one in made if one.channel in group), at])
    spans = zip(instants, instants[most:], strict=False)
    return any(first <= at <= last and last - first < within for first, last in spans)
