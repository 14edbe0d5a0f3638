"""What the debtor itself closes: addresses that may not be used, and the debtor's own requests."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

from domain.contact_rules.facts import Block, ContactRequest, Reachability
from domain.contact_rules.local_clock import next_quarter
from domain.contact_rules.means import place
from domain.vocabulary import Channel, ContactRequestKind


def address_blocks(at: datetime, channel: Channel, debtor: Reachability) -> list[Block]:
    """Why the channel may not be used at all; empty when it may.

    Refusal and consent are the channel's: the last of either, whichever address it came by, holds for all of them.
    """
    rule = debtor.presets[0].rule
    addresses = [address for address in debtor.addresses if address.channel == channel]
    if not addresses:
        return [Block(rule("NO_ADDRESS"), f"No {place(channel)} is known.", channel)]
    consented = _last_known((address.consented_at for address in addresses), at)
    opted_out = _last_known((address.opted_out_at for address in addresses), at)
    if opted_out is not None and (consented is None or consented <= opted_out):
        return [
            Block(rule("OPT_OUT"), "The debtor opted out of this channel, or complained about it.", channel)
        ]
    if all(_last_known([address.hard_bounced_at], at) is not None for address in addresses):
        message = (
            f"The {place(channel)} does not exist: a message came back for good (hard bounce). A corrected one counts "
            "from when it is verified (verified_at of a contact point)."
        )
        return [Block(rule("HARD_BOUNCE"), message, channel)]
    if consented is None and any(channel in preset.consent_required for preset in debtor.presets):
        return [Block(rule("CONSENT"), "The debtor has not consented to this channel.", channel)]
    return []


def _last_known(instants: Iterable[datetime | None], at: datetime) -> datetime | None:
    return max((instant for instant in instants if instant is not None and instant <= at), default=None)


def request_blocks(at: datetime, channel: Channel, debtor: Reachability) -> list[Block]:
    """STOP, NOT_BEFORE and ONLY_BETWEEN in force at `at` that forbid a contact then."""
    found = stops(at, channel, debtor)
    zone, rule = ZoneInfo(debtor.zone), debtor.presets[0].rule("REQUEST_ONLY_BETWEEN")
    for request in latest_limits(at, channel, debtor.requests):
        window = hours_named(request)
        if not window[at.astimezone(zone).hour]:
            again = next_quarter(at, partial(_is_inside, window), zone)
            ends = [moment for moment in (again, request.until) if moment is not None]
            message = "The debtor asked to be contacted only at other hours."
            found.append(Block(rule, message, request.channel, min(ends, default=None)))
    return found


def _is_inside(hours: Sequence[bool], local: datetime) -> bool:
    return hours[local.hour]


def stops(at: datetime, channel: Channel, debtor: Reachability) -> list[Block]:
    """STOP and NOT_BEFORE in force at `at`."""
    found = []
    for request in _in_force(at, channel, debtor.requests):
        if request.kind == ContactRequestKind.STOP:
            rule, asked = "REQUEST_STOP", "not to be contacted"
        elif request.kind == ContactRequestKind.NOT_BEFORE:
            rule, asked = "REQUEST_NOT_BEFORE", "not to be contacted yet"
        else:
            continue
        until = None if request.until is None else request.until.astimezone(UTC)
        message = f"The debtor asked {asked}{'' if request.channel is None else ' on this channel'}."
        found.append(Block(debtor.presets[0].rule(rule), message, request.channel, until))
    return found


def _in_force(at: datetime, channel: Channel, requests: Iterable[ContactRequest]) -> list[ContactRequest]:
    return [
        request
        for request in requests
        if request.made_at <= at
        and request.channel in (None, channel)
        and (request.until is None or at < request.until)
    ]


def latest_limits(at: datetime, channel: Channel, requests: Iterable[ContactRequest]) -> list[ContactRequest]:
    """The ONLY_BETWEEN requests in force: a newer one for the same channel (or for all) replaces the older."""
    latest: dict[Channel | None, ContactRequest] = {}
    for request in sorted(_in_force(at, channel, requests), key=lambda request: request.made_at):
        if request.kind == ContactRequestKind.ONLY_BETWEEN:
            latest[request.channel] = request
    return list(latest.values())


def hours_named(request: ContactRequest) -> tuple[bool, ...]:
    """(24,) local hours of the day that the debtor named."""
    low = 0 if request.from_hour is None else request.from_hour
    high = 24 if request.to_hour is None else request.to_hour
    if low <= high:
        return tuple(low <= hour < high for hour in range(24))
    return tuple(hour >= low or hour < high for hour in range(24))
