"""The trace a contact leaves: deliveries, bounces, opens, clicks, visits; by people, proxies and scanners;
late and twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.simulator.calendar import DAY_US, SECOND_US
from ml.simulator.portfolio import Flags, Floats, Ints, Portfolio
from ml.simulator.records import ARRIVED, HARD_BOUNCED, SOFT_BOUNCED, Contacts, Receipts, stack
from ml.simulator.spec import CHANNELS

KINDS = (
    "DELIVERED",
    "BOUNCED_HARD",
    "BOUNCED_SOFT",
    "OPENED",
    "CLICKED",
    "LANDED",
    "PAYMENT_STARTED",
    "PAYMENT_FAILED",
    "PAYMENT_ABANDONED",
    "REPLIED",
    "RIGHT_PARTY_CONTACTED",
    "UNSUBSCRIBED",
    "COMPLAINED",
)
_EMAIL, _SMS, _LETTER, _VOICE = (CHANNELS.index(name) for name in ("EMAIL", "SMS", "LETTER", "VOICE"))
_SHOWS_OPENS = np.array([True, False, True, True, False, False])
_CLICK_IF_CAUSED = np.array([0.85, 0.85, 0.85, 0.85, 0.5, 0.0])
_CLICK_OTHERWISE = np.array([0.22, 0.4, 0.22, 0.28, 0.12, 0.0])
_REPLY = np.array([0.03, 0.05, 0.12, 0.0, 0.0, 0.0])
_DELIVERY_MEDIAN_S = np.array([18.0, 4.0, 2.0, 1.5, 0.0, 0.0])


@dataclass(slots=True)
class Events:
    """One row per event: contact: row in `Contacts` (−1: direct visit), kind: index into `KINDS`, at_us:
    when.
    """

    who: Ints
    contact: Ints
    kind: Ints
    at_us: Ints
    automated: Flags


class _Log:
    def __init__(self, contacts: Contacts) -> None:
        self.contacts = contacts
        self.parts: list[Events] = []

    def add(self, rows: Ints, kind: str, at_us: Ints, automated: bool = False) -> None:
        """Events of `kind` for the contacts in `rows`."""
        self.parts.append(
            Events(
                self.contacts.who[rows],
                rows,
                np.full(len(rows), KINDS.index(kind)),
                at_us,
                np.full(len(rows), automated),
            )
        )

    def add_direct(self, who: Ints, kind: str, at_us: Ints) -> None:
        """Events of `kind` without a communication."""
        size = len(who)
        kinds = np.full(size, KINDS.index(kind))
        self.parts.append(Events(who, np.full(size, -1), kinds, at_us, np.zeros(size, dtype=bool)))


def trace(
    rng: np.random.Generator,
    people: Portfolio,
    contacts: Contacts,
    receipts: Receipts,
    start_us: int,
    end_us: int,
) -> tuple[Events, Flags]:
    """All events before `end_us`, and whether each receipt has a payment page visit behind it."""
    log = _Log(contacts)
    delivered_us = _deliveries(rng, log)
    _machines(rng, log, people, delivered_us)
    visited = _people(rng, log)
    paid_online = _payments(rng, log, people, receipts, visited)
    _strollers(rng, log, people, start_us, end_us)
    events = stack(Events, log.parts)
    kept = np.flatnonzero(events.at_us < end_us)
    order = kept[np.argsort(events.at_us[kept], kind="stable")]
    return Events(*(getattr(events, name)[order] for name in Events.__slots__)), paid_online


def _seconds(rng: np.random.Generator, median: Floats | float, spread: float, size: int) -> Ints:
    return (median * np.exp(spread * rng.normal(0, 1, size)) * SECOND_US).astype(np.int64) + 1


def _deliveries(rng: np.random.Generator, log: _Log) -> Ints:
    """Receipts of delivery (none for letters, calls only when answered) and bounces; returns when each
    arrived.
    """
    contacts = log.contacts
    size = len(contacts.who)
    late = rng.random(size) < 0.012
    delay = _seconds(rng, _DELIVERY_MEDIAN_S[contacts.channel], 0.8, size)
    delivered_us = contacts.sent_us + delay
    told_us = delivered_us + late * rng.integers(600 * SECOND_US, DAY_US, size)
    digital = ~np.isin(contacts.channel, [_LETTER, _VOICE])
    lost = rng.random(size) < 0.01
    rows = np.flatnonzero((contacts.arrival == ARRIVED) & digital & ~lost)
    log.add(rows, "DELIVERED", told_us[rows])
    for arrival, kind in ((HARD_BOUNCED, "BOUNCED_HARD"), (SOFT_BOUNCED, "BOUNCED_SOFT")):
        rows = np.flatnonzero(contacts.arrival == arrival)
        wait = np.where(contacts.channel[rows] == _LETTER, 6 * DAY_US, 40 * SECOND_US)
        log.add(
            rows, kind, contacts.sent_us[rows] + (wait * rng.uniform(0.3, 1.7, len(rows))).astype(np.int64)
        )
    called = (contacts.channel == _VOICE) & (contacts.arrival == ARRIVED)
    reached = np.flatnonzero(called & contacts.engaged)
    log.add(reached, "DELIVERED", contacts.engaged_us[reached] - 1)
    log.add(reached, "RIGHT_PARTY_CONTACTED", contacts.engaged_us[reached])
    wrong = np.flatnonzero(called & ~contacts.engaged & (rng.random(size) < 0.06))
    log.add(wrong, "DELIVERED", contacts.sent_us[wrong] + 15 * SECOND_US)
    return delivered_us


def _machines(rng: np.random.Generator, log: _Log, people: Portfolio, delivered_us: Ints) -> None:
    """Mail-privacy proxies open, link scanners open and click, all within moments of delivery."""
    contacts = log.contacts
    mail = (contacts.channel == _EMAIL) & (contacts.arrival == ARRIVED)
    proxied = np.flatnonzero(mail & people.proxy[contacts.who] & (rng.random(len(mail)) < 0.9))
    log.add(proxied, "OPENED", delivered_us[proxied] + _seconds(rng, 30.0, 1.2, len(proxied)), automated=True)
    scanned = np.flatnonzero(mail & people.scanner[contacts.who])
    soon = rng.integers(100_000, 1_400_000, len(scanned))
    log.add(scanned, "OPENED", delivered_us[scanned] + soon, automated=True)
    log.add(scanned, "CLICKED", delivered_us[scanned] + soon + 50_000, automated=True)
    out_of_office = np.flatnonzero(mail & (rng.random(len(mail)) < 0.006))
    log.add(out_of_office, "REPLIED", delivered_us[out_of_office] + 2 * SECOND_US, automated=True)


def _people(rng: np.random.Generator, log: _Log) -> Flags:
    """Opens, clicks and visits of the engaged; returns whether each contact led to the payment page."""
    contacts = log.contacts
    size = len(contacts.who)
    channel, engaged = contacts.channel, contacts.engaged
    chance = np.where(contacts.caused, _CLICK_IF_CAUSED[channel], _CLICK_OTHERWISE[channel])
    clicks = engaged & (rng.random(size) < chance)
    seen = engaged & _SHOWS_OPENS[channel] & ~(clicks & (channel == _EMAIL) & (rng.random(size) < 0.07))
    rows = np.flatnonzero(seen)
    log.add(rows, "OPENED", contacts.engaged_us[rows])
    again = rows[rng.random(len(rows)) < 0.3]
    log.add(again, "OPENED", contacts.engaged_us[again] + _seconds(rng, 30_000.0, 1.8, len(again)))
    clicked_us = contacts.engaged_us + np.minimum(_seconds(rng, 35.0, 0.9, size), 50 * SECOND_US)
    rows = np.flatnonzero(clicks & (channel != _LETTER))
    log.add(rows, "CLICKED", clicked_us[rows])
    lands = clicks & ((rng.random(size) < 0.97) | contacts.caused)
    rows = np.flatnonzero(lands)
    log.add(rows, "LANDED", clicked_us[rows] + 2 * SECOND_US)
    replies = np.flatnonzero(engaged & (rng.random(size) < _REPLY[channel]))
    log.add(replies, "REPLIED", contacts.engaged_us[replies] + _seconds(rng, 900.0, 1.0, len(replies)))
    leaving = np.flatnonzero(contacts.unsubscribed)
    log.add(leaving, "UNSUBSCRIBED", contacts.engaged_us[leaving] + 40 * SECOND_US)
    angry = np.flatnonzero(engaged & (rng.random(size) < 0.0025))
    log.add(angry, "COMPLAINED", contacts.engaged_us[angry] + 90 * SECOND_US)
    tries = np.flatnonzero(lands & ~contacts.caused & (rng.random(size) < 0.3))
    _attempts(rng, log, tries, clicked_us[tries] + 45 * SECOND_US)
    return lands


def _attempts(rng: np.random.Generator, log: _Log, rows: Ints, at_us: Ints) -> None:
    """Payments started that came to nothing."""
    log.add(rows, "PAYMENT_STARTED", at_us)
    ending = rng.random(len(rows))
    failed, gave_up = ending < 0.3, ending > 0.4
    log.add(rows[failed], "PAYMENT_FAILED", at_us[failed] + 30 * SECOND_US)
    log.add(rows[gave_up], "PAYMENT_ABANDONED", at_us[gave_up] + 240 * SECOND_US)


def _payments(
    rng: np.random.Generator, log: _Log, people: Portfolio, receipts: Receipts, visited: Flags
) -> Flags:
    """The visits right before a payment; some come back by themselves rather than through the message."""
    by_contact = receipts.contact >= 0
    through = by_contact.copy()
    through[by_contact] = visited[receipts.contact[by_contact]]
    back = rng.random(len(through)) < 0.35
    rows = receipts.contact[through]
    log.add(rows, "PAYMENT_STARTED", receipts.paid_us[through] - 40 * SECOND_US)
    returning = through & back
    log.add_direct(
        people.owner[receipts.account[returning]], "LANDED", receipts.paid_us[returning] - 70 * SECOND_US
    )
    alone = ~by_contact & (rng.random(len(through)) < 0.45)
    who = people.owner[receipts.account[alone]]
    log.add_direct(who, "LANDED", receipts.paid_us[alone] - 300 * SECOND_US)
    log.add_direct(who, "PAYMENT_STARTED", receipts.paid_us[alone] - 60 * SECOND_US)
    return through | alone


def _strollers(rng: np.random.Generator, log: _Log, people: Portfolio, start_us: int, end_us: int) -> None:
    """Direct visits to the payment page that lead nowhere."""
    count = rng.poisson(0.25, people.size)
    who = np.repeat(np.arange(people.size), count)
    at_us = rng.integers(start_us, end_us, len(who))
    log.add_direct(who, "LANDED", at_us)
    tries = rng.random(len(who)) < 0.2
    log.add_direct(who[tries], "PAYMENT_STARTED", at_us[tries] + 60 * SECOND_US)
    log.add_direct(who[tries], "PAYMENT_ABANDONED", at_us[tries] + 300 * SECOND_US)
