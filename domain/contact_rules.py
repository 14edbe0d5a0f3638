"""When and how a debtor may be contacted: hours on the debtor's own clock, addresses, consent, and their own requests.

A preset is data: its opening hours per weekday, which channels need consent, and the version its codes carry.
Legal counsel confirms a preset before it is used; a tenant may only tighten one.

`blocks` is the law of this page: a contact at an instant is lawful exactly when it returns nothing.
`allowed_hours` and `next_lawful_instant` follow from it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from domain.vocabulary import Channel, ContactRequestKind

HOURS_PER_WEEK = 168
_WEEKS_AHEAD = 10


@dataclass(frozen=True, slots=True)
class Block:
    """A rule that forbids a contact: its stable code with version, why, on which channel (None: any), until when.

    until: first instant at which this rule no longer forbids it, aware UTC; None: for good, or until facts change.
    """

    rule: str
    message: str
    channel: Channel | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Preset:
    """The contact rules of a jurisdiction, as data.

    open_hours: per weekday from Monday, local `from <= hour < to`, None when closed all day.
    consent_required: channels on which silence is not consent.
    """

    name: str
    version: str
    open_hours: tuple[tuple[int, int] | None, ...]
    consent_required: frozenset[Channel] = frozenset()

    @property
    def code(self) -> str:
        """The rules' name and version, as decisions record it."""
        return f"{self.name}@{self.version}"

    def rule(self, rule: str) -> str:
        """The stable code of one of the rules, e.g. OPT_OUT@2026-1."""
        return f"{rule}@{self.version}"

    def hours(self) -> tuple[bool, ...]:
        """(168,) whether a local hour of the week (Monday 00 first) is open."""
        return _hours(self.open_hours)


@lru_cache
def _hours(open_hours: tuple[tuple[int, int] | None, ...]) -> tuple[bool, ...]:
    windows = [window or (0, 0) for window in open_hours]
    return tuple(low <= hour < high for low, high in windows for hour in range(24))


DEFAULT = Preset("DEFAULT", "2026-1", open_hours=((8, 21),) * 7)
PRESETS: dict[str, Preset] = {"default": DEFAULT}


@dataclass(frozen=True, slots=True)
class Address:
    """A way to reach a debtor on a channel, without the address itself; instants aware, None: it did not happen."""

    channel: Channel
    consented_at: datetime | None = None
    opted_out_at: datetime | None = None
    hard_bounced_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """What a debtor asked for. channel None: all of them.

    STOP: no contact. ONLY_BETWEEN: local `from_hour <= hour < to_hour` (over midnight when from_hour is the greater;
    None: from the start, to the end of the day). Both hold until `until`, or for good.
    NOT_BEFORE: no contact before `until`; for good without one.
    """

    kind: ContactRequestKind
    made_at: datetime
    channel: Channel | None = None
    from_hour: int | None = None
    to_hour: int | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reachability:
    """All that the rules need to know of a debtor. zone: IANA name."""

    zone: str
    addresses: Sequence[Address] = ()
    requests: Sequence[ContactRequest] = field(default=())


def blocks(at: datetime, channel: Channel, debtor: Reachability, *, preset: Preset = DEFAULT) -> list[Block]:
    """Every rule that forbids contacting `debtor` on `channel` at the instant `at`; empty when it is lawful.

    Only what was known at `at` counts. Raises ValueError for a naive `at`, ZoneInfoNotFoundError (a KeyError) for an
    unknown zone.
    """
    if at.tzinfo is None:
        raise ValueError("at: a naive instant; give it an offset")
    found = _address_blocks(at, channel, debtor, preset) + _request_blocks(at, channel, debtor, preset)
    zone = ZoneInfo(debtor.zone)
    if not preset.hours()[_hour_of_week(at, zone)]:
        until = _next_open(at, zone, preset.hours())
        message = (
            f"Outside the hours in which the {preset.name} rules allow contact, by the debtor's own clock."
        )
        found.append(Block(preset.rule(f"{preset.name}_HOURS"), message, None, until))
    return found


def allowed_hours(
    at: datetime, channel: Channel, debtor: Reachability, *, preset: Preset = DEFAULT
) -> tuple[bool, ...]:
    """(168,) local hours of the week (Monday 00 first) in which `channel` may be used, by all that is known at `at`.

    All False when the channel is closed for good (no address, opted out, asked to stop). A block that ends by itself
    (NOT_BEFORE) does not close hours: `next_lawful_instant` finds the first instant after it.
    """
    standing = _address_blocks(at, channel, debtor, preset) + _stops(at, channel, debtor, preset)
    if any(block.until is None for block in standing):
        return (False,) * HOURS_PER_WEEK
    limits = [_window(request) for request in _latest_limits(at, channel, debtor.requests)]
    return tuple(
        is_open and all(limit[hour % 24] for limit in limits) for hour, is_open in enumerate(preset.hours())
    )


def next_lawful_instant(
    after: datetime,
    weekday: int,
    hour: int,
    channel: Channel,
    debtor: Reachability,
    *,
    preset: Preset = DEFAULT,
    before: datetime | None = None,
) -> datetime | None:
    """The first instant t, `after <= t < before`, on that local weekday (Monday 0) and hour that no rule forbids.

    An hour that a clock change skips does not happen that week; one that it repeats may be used twice. None when
    there is none: within ten weeks after `after` or after the last wait that the debtor asked for.
    Raises ValueError for a naive instant, a weekday outside 0–6 or an hour outside 0–23.
    """
    if not (0 <= weekday <= 6 and 0 <= hour <= 23):
        raise ValueError(f"weekday {weekday}, hour {hour}: outside 0–6, 0–23")
    zone = ZoneInfo(debtor.zone)
    for start in _occurrences(after, weekday, hour, zone, _search_end(after, debtor.requests)):
        instant: datetime | None = start
        while instant is not None:
            if before is not None and instant >= before:
                return None
            found = blocks(instant, channel, debtor, preset=preset)
            if not found:
                return instant
            waits = [block.until for block in found if block.until is not None]
            later = max(waits) if len(waits) == len(found) else None
            instant = later if later is not None and _same_hour(later, start, zone) else None
    return None


def _address_blocks(at: datetime, channel: Channel, debtor: Reachability, preset: Preset) -> list[Block]:
    """Empty when at least one address of the channel may be used; else why the best of them may not."""
    addresses = [address for address in debtor.addresses if address.channel == channel]
    if not addresses:
        return [Block(preset.rule("NO_ADDRESS"), "There is no address for this channel.", channel)]
    reasons = [_address_block(at, address, preset) for address in addresses]
    return [] if None in reasons else [reason for reason in reasons[:1] if reason is not None]


def _address_block(at: datetime, address: Address, preset: Preset) -> Block | None:
    consented = address.consented_at if _known(address.consented_at, at) else None
    opted_out = address.opted_out_at if _known(address.opted_out_at, at) else None
    if opted_out is not None and (consented is None or consented <= opted_out):
        return Block(preset.rule("OPT_OUT"), "The debtor opted out of this channel.", address.channel)
    if _known(address.hard_bounced_at, at):
        return Block(preset.rule("HARD_BOUNCE"), "The address does not exist (hard bounce).", address.channel)
    if address.channel in preset.consent_required and consented is None:
        return Block(preset.rule("CONSENT"), "The debtor has not consented to this channel.", address.channel)
    return None


def _known(happened: datetime | None, at: datetime) -> bool:
    return happened is not None and happened <= at


def _request_blocks(at: datetime, channel: Channel, debtor: Reachability, preset: Preset) -> list[Block]:
    found = _stops(at, channel, debtor, preset)
    zone = ZoneInfo(debtor.zone)
    for request in _latest_limits(at, channel, debtor.requests):
        window = _window(request)
        if not window[at.astimezone(zone).hour]:
            again = _next_open(at, zone, window * 7)
            ends = [moment for moment in (again, request.until) if moment is not None]
            message = "The debtor asked to be contacted only at other hours."
            rule = preset.rule("REQUEST_ONLY_BETWEEN")
            found.append(Block(rule, message, request.channel, min(ends, default=None)))
    return found


def _stops(at: datetime, channel: Channel, debtor: Reachability, preset: Preset) -> list[Block]:
    """STOP and NOT_BEFORE in force at `at`."""
    found = []
    for request in _in_force(at, channel, debtor.requests):
        if request.kind == ContactRequestKind.STOP:
            rule, message = "REQUEST_STOP", "The debtor asked not to be contacted."
        elif request.kind == ContactRequestKind.NOT_BEFORE:
            rule, message = "REQUEST_NOT_BEFORE", "The debtor asked not to be contacted before then."
        else:
            continue
        until = None if request.until is None else request.until.astimezone(UTC)
        found.append(Block(preset.rule(rule), message, request.channel, until))
    return found


def _in_force(at: datetime, channel: Channel, requests: Iterable[ContactRequest]) -> list[ContactRequest]:
    return [
        request
        for request in requests
        if request.made_at <= at
        and request.channel in (None, channel)
        and (request.until is None or at < request.until)
    ]


def _latest_limits(
    at: datetime, channel: Channel, requests: Iterable[ContactRequest]
) -> list[ContactRequest]:
    """The ONLY_BETWEEN requests in force: a newer one for the same channel (or for all) replaces the older."""
    latest: dict[Channel | None, ContactRequest] = {}
    for request in sorted(_in_force(at, channel, requests), key=lambda request: request.made_at):
        if request.kind == ContactRequestKind.ONLY_BETWEEN:
            latest[request.channel] = request
    return list(latest.values())


def _window(request: ContactRequest) -> tuple[bool, ...]:
    """(24,) local hours of the day that the debtor named."""
    low = 0 if request.from_hour is None else request.from_hour
    high = 24 if request.to_hour is None else request.to_hour
    if low <= high:
        return tuple(low <= hour < high for hour in range(24))
    return tuple(hour >= low or hour < high for hour in range(24))


def _hour_of_week(at: datetime, zone: ZoneInfo) -> int:
    local = at.astimezone(zone)
    return local.weekday() * 24 + local.hour


def _same_hour(at: datetime, other: datetime, zone: ZoneInfo) -> bool:
    one, two = at.astimezone(zone), other.astimezone(zone)
    return (one.date(), one.hour) == (two.date(), two.hour)


def _next_open(at: datetime, zone: ZoneInfo, is_open: Sequence[bool]) -> datetime | None:
    """The first instant after `at` in an open local hour of the week; None when none ever is.

    Offsets move in steps of a quarter of an hour (since 1972), so quarter hours of UTC meet every local hour's start.
    """
    if not any(is_open):
        return None
    quarter = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    limit = quarter + timedelta(days=15)
    while quarter < limit:
        quarter += timedelta(minutes=15)
        if quarter > at and is_open[_hour_of_week(quarter, zone)]:
            return quarter
    return None


def _search_end(after: datetime, requests: Iterable[ContactRequest]) -> date:
    waits = [request.until for request in requests if request.until is not None]
    return (max([after, *waits]).astimezone(UTC) + timedelta(weeks=_WEEKS_AHEAD)).date()


def _occurrences(after: datetime, weekday: int, hour: int, zone: ZoneInfo, last: date) -> Iterable[datetime]:
    """Starts (UTC, in order) of that local hour from `after` on; `after` itself when it lies within one."""
    if after.tzinfo is None:
        raise ValueError("after: a naive instant; give it an offset")
    day = after.astimezone(zone).date() - timedelta(days=1)
    day += timedelta(days=(weekday - day.weekday()) % 7)
    while day <= last:
        local = datetime(day.year, day.month, day.day, hour, tzinfo=zone)
        starts = {local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
        for start in sorted(starts):
            seen = start.astimezone(zone)
            if (seen.date(), seen.hour) != (day, hour):
                continue  # skipped by a clock change
            if start >= after:
                yield start
            elif _same_hour(after, start, zone):
                yield after.astimezone(UTC)
        day += timedelta(weeks=1)
