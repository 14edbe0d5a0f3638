"""The lawful slots of debtors in a window, by UTC day: what a plan may use."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from api.answers import Window
from api.recommendations.hours import Hours
from domain.contact_rules import HOURS_PER_WEEK, Reachability
from domain.contact_rules.slots import Slot, free_slots
from domain.vocabulary import Channel
from ml.options import Slots
from ml.outcomes import CHANNELS

_NOTHING = Slots(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


@dataclass(frozen=True)
class Calendar:
    """slots: per debtor and channel; masks: (n, channels, 168) hours of the week that have one."""

    slots: list[list[Slots]]
    masks: Hours

    @property
    def blocked(self) -> Hours:
        """(n,) whether the contact rules forbid every contact."""
        return np.asarray(~self.masks.any(axis=(1, 2)))


def calendar_of(
    people: Sequence[Reachability],
    *,
    window: Window,
    known: datetime,
    channels: frozenset[Channel] | None,
    days: Sequence[date],
) -> Calendar:
    """The calendar of debtors on the channels asked for (None: all)."""
    kept: dict[int, tuple[Sequence[Slot], Slots]] = {}
    asked = [channels is None or Channel(name) in channels for name in CHANNELS]

    def slots(person: Reachability, channel: str) -> Slots:
        free = free_slots(Channel(channel), person, start=window.start, end=window.end, known=known)
        # Debtors with nothing of their own share one sequence; keeping it keeps its id.
        if id(free) not in kept:
            kept[id(free)] = (free, _by_day(free, days[0]))
        return kept[id(free)][1]

    found = [
        [slots(person, name) if wanted else _NOTHING for name, wanted in zip(CHANNELS, asked, strict=True)]
        for person in people
    ]
    masks = np.zeros((len(people), len(CHANNELS), HOURS_PER_WEEK), dtype=bool)
    for row, of_debtor in enumerate(found):
        for column, each in enumerate(of_debtor):
            masks[row, column, each.hour] = True
    return Calendar(found, masks)


def _by_day(free: Sequence[Slot], first: date) -> Slots:
    return Slots(
        np.array([slot.hour for slot in free], dtype=np.int64),
        np.array([(slot.begin.astimezone(UTC).date() - first).days for slot in free], dtype=np.int64),
    )
