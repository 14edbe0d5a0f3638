"""Debtors drawn at random with everything that contact rules look at, near the instants where clocks change."""

import random
from datetime import UTC, datetime, timedelta

from domain.contact_rules import Address, ContactRequest, PastContact, Preset, Reachability
from domain.vocabulary import Channel, ContactRequestKind

ZONES = (
    *("Europe/Madrid", "Europe/Copenhagen", "Europe/London", "America/New_York", "America/Chicago"),
    *("America/Bogota", "America/Santiago", "America/Mexico_City", "America/Guayaquil", "Pacific/Galapagos"),
    *("Asia/Kathmandu", "Australia/Lord_Howe", "Antarctica/Troll", "America/St_Johns", "Pacific/Apia"),
)
_CHANGES = [
    datetime(2026, month, day, tzinfo=UTC) for month, day in ((3, 29), (10, 25), (3, 8), (11, 1), (4, 5))
]
_CHANGES += [datetime(2026, 9, 6, tzinfo=UTC), datetime(2026, 12, 24, tzinfo=UTC)]
_QUARTER = timedelta(minutes=15)


def random_instant(draw: random.Random) -> datetime:
    if draw.random() < 0.3:
        return draw.choice(_CHANGES) + draw.randint(-200, 200) * _QUARTER
    return datetime(2026, 1, 1, tzinfo=UTC) + draw.randint(0, 365 * 24 * 60) * timedelta(minutes=1)


def random_debtor(
    draw: random.Random, *presets: Preset, at: datetime | None = None
) -> tuple[Reachability, datetime]:
    """A debtor, all of whose facts but what is planned are known at the instant, and the instant."""
    at = at or random_instant(draw)

    def before(days: float) -> datetime:
        return at - timedelta(minutes=draw.randint(0, int(days * 1440)))

    def maybe(share: float, days: float) -> datetime | None:
        return before(days) if draw.random() < share else None

    addresses = [
        Address(channel, maybe(0.8, 400), maybe(0.1, 200), maybe(0.1, 100))
        for channel in Channel
        for _ in range(draw.choice([0, 1, 1, 1, 2]))
    ]
    requests = [
        ContactRequest(
            draw.choice([*ContactRequestKind, ContactRequestKind.ONLY_BETWEEN]),
            before(30),
            draw.choice([None, *Channel]),
            draw.choice([None, *range(24)]),
            draw.choice([None, *range(24)]),
            draw.choice([None, at + draw.randint(-300, 900) * _QUARTER]),
        )
        for _ in range(draw.choice([0, 0, 0, 1, 2]))
    ]
    often = draw.choice([0, 1, 3, 10])
    contacts = [
        PastContact(
            draw.choice([Channel.VOICE, *Channel]),
            before(12),
            conversation=draw.random() < 0.1,
            counted=draw.random() < 0.9,
        )
        for _ in range(draw.randint(0, often))
    ]
    contacts += [
        PastContact(draw.choice(list(Channel)), at + draw.randint(1, 900) * _QUARTER, planned=True)
        for _ in range(draw.choice([0, 0, 0, 1, 2]))
    ]
    return Reachability(draw.choice(ZONES), addresses, requests, contacts, presets), at
