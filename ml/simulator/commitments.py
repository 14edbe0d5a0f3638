"""Promises to pay and the contacts debtors make themselves, told around the money that really moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.simulator.calendar import DAY_US, Calendar
from ml.simulator.portfolio import Floats, Ints, Portfolio
from ml.simulator.records import Contacts, Receipts, stack
from ml.simulator.spec import CHANNELS

_VOICE = CHANNELS.index("VOICE")
_INBOUND_CHANNELS = [CHANNELS.index(name) for name in ("VOICE", "EMAIL", "WHATSAPP")]


@dataclass(slots=True)
class Promises:
    """contact: row in `Contacts` (−1 none); call: row in `Calls` (−1 none); due_day: local day since 1970."""

    account: Ints
    amount: Floats
    promised_us: Ints
    due_day: Ints
    contact: Ints
    call: Ints


@dataclass(slots=True)
class Calls:
    """Inbound communications, by whichever channel."""

    account: Ints
    channel: Ints
    sent_us: Ints


def commitments(
    rng: np.random.Generator, people: Portfolio, calendar: Calendar, contacts: Contacts, receipts: Receipts
) -> tuple[Promises, Calls]:
    """Promises made before the end of the history (kept, broken or still open), and all inbound contacts."""
    kept, calls_before = _announced(rng, people, calendar, receipts)
    idle = _calls(rng, np.flatnonzero(rng.random(len(people.owner)) < 0.2), calendar)
    offset = len(calls_before.account)
    empty = np.flatnonzero(rng.random(len(idle.account)) < 0.3)
    vain = _promise(
        rng, people, calendar, idle.account[empty], None, idle.sent_us[empty], rng.integers(2, 12, len(empty))
    )
    vain.call = offset + empty
    promises = stack(Promises, [*_on_the_phone(rng, people, calendar, contacts), kept, vain])
    made = (promises.promised_us < calendar.end_us) & (promises.promised_us >= calendar.start_us)
    return (
        Promises(*(getattr(promises, name)[made] for name in Promises.__slots__)),
        stack(Calls, [calls_before, idle]),
    )


def _promise(
    rng: np.random.Generator,
    people: Portfolio,
    calendar: Calendar,
    account: Ints,
    amount: Floats | None,
    promised_us: Ints,
    wait_days: Ints,
) -> Promises:
    if amount is None:
        amount = np.maximum(
            np.round(people.principal[account] * rng.uniform(0.1, 0.4, len(account)), 2), 0.01
        )
    day = calendar.local_day(people.country[people.owner[account]], promised_us)
    none = np.full(len(account), -1)
    return Promises(account, amount, promised_us, day + wait_days, none, none.copy())


def _on_the_phone(
    rng: np.random.Generator, people: Portfolio, calendar: Calendar, contacts: Contacts
) -> list[Promises]:
    """Promises made when called: those behind caused payments, kept; and a few that nothing follows."""
    good = np.flatnonzero(contacts.promised)
    days = (contacts.paid_us[good] - contacts.engaged_us[good]) // DAY_US + 1 + rng.integers(0, 3, len(good))
    kept = _promise(
        rng, people, calendar, contacts.account[good], contacts.amount[good], contacts.engaged_us[good], days
    )
    kept.contact = good
    talked = contacts.engaged & ~contacts.caused & (contacts.channel == _VOICE) & (contacts.pay_chance > 0)
    empty = np.flatnonzero(talked & (rng.random(len(talked)) < 0.15))
    broken = _promise(
        rng,
        people,
        calendar,
        contacts.account[empty],
        None,
        contacts.engaged_us[empty],
        rng.integers(3, 15, len(empty)),
    )
    broken.contact = empty
    return [kept, broken]


def _announced(
    rng: np.random.Generator, people: Portfolio, calendar: Calendar, receipts: Receipts
) -> tuple[Promises, Calls]:
    """Some who pay uncontacted call first and say so."""
    rows = np.flatnonzero((receipts.contact < 0) & (rng.random(len(receipts.contact)) < 0.25))
    called_us = receipts.paid_us[rows] - rng.integers(DAY_US // 4, 6 * DAY_US, len(rows))
    early = called_us >= calendar.start_us
    rows, called_us = rows[early], called_us[early]
    calls = Calls(
        receipts.account[rows], rng.choice(_INBOUND_CHANNELS, len(rows), p=[0.7, 0.15, 0.15]), called_us
    )
    days = (receipts.paid_us[rows] - called_us) // DAY_US + 1 + rng.integers(0, 3, len(rows))
    promises = _promise(rng, people, calendar, calls.account, receipts.amount[rows], called_us, days)
    promises.call = np.arange(len(rows))
    return promises, calls


def _calls(rng: np.random.Generator, account: Ints, calendar: Calendar) -> Calls:
    channel = rng.choice(_INBOUND_CHANNELS, len(account), p=[0.7, 0.15, 0.15])
    return Calls(account, channel, rng.integers(calendar.start_us, calendar.end_us, len(account)))
