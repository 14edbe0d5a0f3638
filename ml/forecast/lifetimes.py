"""Which cells began or ended lately: what was before the one, or is gone with the other, tells nothing of what is to
come.

A channel is given up for another, a segment is worked off, a segment is told by letter as well: the volume of all days
before would go on for weeks, and the rates of the whole would be those of a mix that is over.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

GAP_DAYS = 7
"""So many days in a row without any message are a gap, not a rhythm."""
BORN_DAYS = 28
"""What began no longer ago is too young for the usual level: what came before it is no zero."""
_TELLING_DAYS = 10
"""Days with messages before a silence can be told from a rhythm: the longest of fewer breaks is soon surpassed."""
_LONGER = 2
"""How many times as long ago as days with messages were ever apart the last one is of a series that has ended: what is
sent each week may leave out one."""
_BEGUN_DAYS = 3
"""Days with messages that make a beginning; the first of them says only when it was."""


@dataclass(frozen=True)
class Lifetimes:
    """since: (cells,) the first day that tells of a cell's level, 0 for most. ended: (cells,). segments, channels:
    those that ended as a whole though others go on.
    """

    since: Ints
    ended: Flags
    segments: tuple[str, ...]
    channels: tuple[str, ...]

    @property
    def steady(self) -> Flags:
        """(cells,) neither began nor ended lately; all, where none is."""
        steady = (self.since == 0) & ~self.ended
        return steady if steady.any() else np.ones_like(steady)

    def lasting(self, days: int) -> Flags:
        """(days, cells) the days that tell of what goes on."""
        return (np.arange(days)[:, None] >= self.since) & ~self.ended


def lifetimes(sent: Floats, observed: Floats, segments: Sequence[str], channels: Sequence[str]) -> Lifetimes:
    """Of the cells of `sent` (days, cells), by their own days and by those of their whole segment and channel.

    observed: (days,) 0 for days within a gap of everything.
    """
    since, ended = np.zeros(sent.shape[1], dtype=np.int64), np.zeros(sent.shape[1], dtype=np.bool_)
    names: dict[str, list[str]] = {"segment": [], "channel": [], "cell": []}
    for kind, name, cells in _series(segments, channels):
        active = sent[:, cells].sum(axis=1) > 0
        if _has_ended(active, observed):
            ended[cells] = True
            names[kind].append(name)
        begun = _segment_begun(active) if kind == "segment" else _begun(active)
        since[cells] = np.maximum(since[cells], begun)
    if ended.all():  # it is everything that stopped: a gap, or the end of sending
        return Lifetimes(since, np.zeros_like(ended), (), ())
    return Lifetimes(since, ended, tuple(names["segment"]), tuple(names["channel"]))


def born_lately(sent: Floats, segments: Sequence[str]) -> dict[str, int]:
    """Segment → the day number of its first message, of segments that came up within the last weeks of a longer
    history.
    """
    found = {}
    for _, name, cells in _series(segments, ()):
        born = _segment_begun(sent[:, cells].sum(axis=1) > 0)
        if born:
            found[name] = born
    return found


def _series(segments: Sequence[str], channels: Sequence[str]) -> Iterator[tuple[str, str, Ints]]:
    """Kind, name and cells of each segment, each channel and (when channels are given) each cell."""
    for kind, keys in (("segment", segments), ("channel", channels)):
        names, place = np.unique(np.array(keys, dtype=np.str_), return_inverse=True)
        parts = np.split(np.argsort(place, kind="stable"), np.bincount(place).cumsum())
        for name, cells in zip(names.tolist(), parts, strict=False):  # behind the last end there is nothing
            yield kind, name, cells
    for cell in range(len(channels)):
        yield "cell", "", np.array([cell])


def _has_ended(active: Flags, observed: Floats) -> bool:
    """Whether it has been silent for longer than its own rhythm and breaks explain."""
    days = np.flatnonzero(active[observed > 0])
    if len(days) < _TELLING_DAYS:
        return False
    since = int((observed > 0).sum()) - int(days[-1])
    return since > max(GAP_DAYS, _LONGER * int(np.diff(days).max()))


def _segment_begun(active: Flags) -> int:
    """The day of a first message within the last weeks of a longer history; else 0."""
    days = np.flatnonzero(active)
    return (
        int(days[0]) if len(days) and len(active) - days[0] <= BORN_DAYS < len(active) - 2 * GAP_DAYS else 0
    )


def _begun(active: Flags) -> int:
    """The day after such a first message, when others followed; else 0: one message makes no level."""
    first = _segment_begun(active)
    return first + 1 if first and active.sum() >= _BEGUN_DAYS else 0
