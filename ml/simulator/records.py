"""What a history leaves behind, as columns: contacts, receipts, requests, and the state at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ml.simulator.portfolio import Flags, Floats, Ints

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ARRIVED, SOFT_BOUNCED, HARD_BOUNCED = 0, 1, 2
STOP, ONLY_BETWEEN, NOT_BEFORE = 0, 1, 2


@dataclass(slots=True)
class Contacts:
    """One row per outbound communication, in order of the day it was sent."""

    who: Ints
    account: Ints
    channel: Ints
    hour: Ints
    template: Ints
    propensity: Floats
    sent_us: Ints
    arrival: Ints
    engaged: Flags
    engaged_us: Ints
    caused: Flags
    promised: Flags
    paid_us: Ints
    amount: Floats
    unsubscribed: Flags
    engage_chance: Floats
    pay_chance: Floats


@dataclass(slots=True)
class Receipts:
    """One row per payment; contact: row in `Contacts` that caused it, −1 when uncontacted. reversed_us: −1
    never.
    """

    account: Ints
    amount: Floats
    paid_us: Ints
    contact: Ints
    reversed_us: Ints


@dataclass(slots=True)
class Requests:
    """Debtors' own wishes, effective from the day after `day`; channel −1: all."""

    who: Ints
    kind: Ints
    channel: Ints
    from_hour: Ints
    to_hour: Ints
    until_day: Ints
    day: Ints


@dataclass(slots=True)
class Standing:
    """The state at the end: balance (m,) of money not yet paid or on its way, recent (n,) contacts in the
    last 7 days, reachable (n, C), bad_address (n, C) hidden, open_hours (n, 168), paused_until (n,) day.
    """

    balance: Floats
    recent: Floats
    reachable: Flags
    bad_address: Flags
    open_hours: Flags
    paused_until: Ints


@dataclass(slots=True)
class Journey:
    """All that happened, and how things stand at the end."""

    contacts: Contacts
    receipts: Receipts
    requests: Requests
    standing: Standing


Rows = TypeVar("Rows", bound="DataclassInstance")


def stack(kind: type[Rows], parts: Sequence[Rows]) -> Rows:
    """One `kind` with the rows of all parts."""
    return kind(*(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(kind)))
