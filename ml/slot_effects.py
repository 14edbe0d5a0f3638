"""When: how segment, rhythm, channel, hour and weekday move the odds, as crossed random effects.

Effects are levels (segment × channel, …), curves over the days of the week, and smooth curves over the hours of the
day, for everybody, per channel, segment, segment × channel, rhythm, and per part of the segments' names
(EARLY-MIDDLE-CARD shares its parts' effects with EARLY-YOUNG-CARD), on all days and apart on weekends.
Some come twice: as they are now, and as a departure that fades in going back in time, so that a shift of
tastes is followed where the data show one. Every factor has its own variance, learned from the data on
top of a weak prior: effects that a world does not have shrink to nothing, and a small segment leans on
what larger groups share. Fitted by `ml.slot_fit`; what nobody named here is left to `ml.slot_trees`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np

from ml.arrays import Floats, Ints, Singles
from ml.outcomes import CHANNELS

HOURS = 168
MOST_PARTS = 4
FADING_BUCKETS = 8


class Over(Enum):
    """What a curve runs over, by how many places it has there."""

    NOTHING = 1
    DAYS = 7
    HOURS = 24


@dataclass(frozen=True)
class Factor:
    """crossed: letters (s segment, r rhythm, c channel, k weekend, p a part of the segment's name); over: what its
    curves run over, if it has curves; past: a departure that fades in going back in time; spread: prior standard
    deviation."""

    crossed: str
    spread: float
    over: Over
    past: bool


_LEVELS_NOW = {"c": 0.7, "s": 0.15, "p": 0.15, "sc": 0.2, "pc": 0.2, "rc": 0.08}
_DAYS_NOW = {"": 0.16, "c": 0.11, "s": 0.14, "sc": 0.11, "p": 0.12, "pc": 0.11}
_HOURS_NOW = {
    "": 0.3, "c": 0.2, "s": 0.25, "p": 0.2, "sc": 0.15, "pc": 0.15, "r": 0.2, "k": 0.15, "ck": 0.12, "sk": 0.15,
    "pk": 0.12, "rk": 0.12,
}  # fmt: skip
_LEVELS_PAST = {"c": 0.2, "s": 0.1, "sc": 0.12, "pc": 0.12}
_DAYS_PAST = {"": 0.08}
_HOURS_PAST = {"": 0.15, "c": 0.12, "s": 0.15, "p": 0.12}

FACTORS = tuple(
    Factor(crossed, spread, over, past)
    for spreads, over, past in (
        (_LEVELS_NOW, Over.NOTHING, False),
        (_DAYS_NOW, Over.DAYS, False),
        (_HOURS_NOW, Over.HOURS, False),
        (_LEVELS_PAST, Over.NOTHING, True),
        (_DAYS_PAST, Over.DAYS, True),
        (_HOURS_PAST, Over.HOURS, True),
    )
    for crossed, spread in spreads.items()
)


@dataclass(frozen=True)
class Cells:
    """Where a contact falls: segment and rhythm codes, channel, local hour of week (0–167); past: 0 now
    … 1 long ago, in steps."""

    segment: Ints
    rhythm: Ints
    channel: Ints
    slot: Ints
    past: Ints | None = None

    @cached_property
    def weekday(self) -> Ints:
        """Local day of the week, Monday 0."""
        return self.slot // 24

    @cached_property
    def hour(self) -> Ints:
        """Local hour of the day."""
        return self.slot % 24

    @cached_property
    def weekend(self) -> Ints:
        """1 on Saturdays and Sundays, else 0."""
        return (self.weekday >= 5).astype(np.int64)

    def take(self, rows: Ints) -> "Cells":
        """The chosen contacts."""
        past = None if self.past is None else self.past[rows]
        return Cells(self.segment[rows], self.rhythm[rows], self.channel[rows], self.slot[rows], past)


@dataclass(frozen=True)
class Shape:
    """How many segment and rhythm codes there are, the unknown ones included; parts: per position in the
    segments' names, each segment's part code (the last of a position is the unknown segment's)."""

    segments: int
    rhythms: int
    parts: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class Term:
    """A factor in this shape: which part of the segments' names `p` stands for (−1: none)."""

    factor: Factor
    part: int = -1


@dataclass(frozen=True)
class SlotEffects:
    """intercept and, per term, one log-odds effect per level (curves: level × 7 days or 24 hours); variances: per term,
    () that of its levels, or the covariance of its curves, (7, 7) or over the hours that occurred; doubts: per term,
    the variance that each effect is left with once the contacts have spoken, those of hours never tried included."""

    shape: Shape
    intercept: float
    effects: tuple[Floats, ...]
    variances: tuple[Floats, ...]
    doubts: tuple[Singles, ...] = ()

    def shift(self, cells: Cells) -> Floats:
        """(n,) log-odds to add to stage A's margin, as things stand now."""
        return np.asarray(shifts((self,), cells)[0])

    def shift_then(self, cells: Cells) -> Floats:
        """(n,) the same, as things stood so far back as the cells lie."""
        total = self.shift(cells)
        if cells.past is not None:
            for term, effect in zip(terms_of(self.shape), self.effects, strict=True):
                if term.factor.past:
                    total += effect[codes_of(term, cells, self.shape)] * (cells.past / FADING_BUCKETS)
        return total

    def curves_then(self, cells: Cells) -> Floats:
        """(n,) what hours and days alone add, without the levels of anybody, as things stood so far back."""
        total, back = np.zeros(len(cells.slot)), np.zeros(1) if cells.past is None else cells.past
        for term, effect in zip(terms_of(self.shape), self.effects, strict=True):
            if term.factor.over is not Over.NOTHING:
                added = effect[codes_of(term, cells, self.shape)]
                total += added * (back / FADING_BUCKETS) if term.factor.past else added
        return total

    def error(self, cells: Cells) -> Floats:
        """(n,) standard error of `shift`, 0 where none was told: what each effect is left with, taken together as if
        what is not known of one said nothing of the others."""
        total = np.zeros(len(cells.slot))
        for term, doubt in zip(terms_of(self.shape), self.doubts, strict=False):
            if not term.factor.past:
                total += doubt[codes_of(term, cells, self.shape)]
        return np.sqrt(total)

    def table(self, segments: Ints, channels: Ints) -> Floats:
        """(len(segments), rhythms, len(channels), 168) shifts."""
        # Along axes of their own, so that a term costs what it has of levels, not what the table has of cells.
        axes = np.ix_(segments, np.arange(self.shape.rhythms), channels, np.arange(HOURS))
        total = np.full(np.broadcast_shapes(*(axis.shape for axis in axes)), self.intercept)
        cells = Cells(*axes)
        for term, effect in zip(terms_of(self.shape), self.effects, strict=True):
            if not term.factor.past:
                total += effect[codes_of(term, cells, self.shape)]
        return total


def shifts(fits: "Sequence[SlotEffects]", cells: Cells) -> Floats:
    """(fits, n) log-odds of several fits of one shape."""
    total = np.tile(np.array([fit.intercept for fit in fits])[:, None], (1, len(cells.slot)))
    for place, term in enumerate(terms_of(fits[0].shape) if fits else []):
        if not term.factor.past:
            code = codes_of(term, cells, fits[0].shape)
            for row, fit in enumerate(fits):
                total[row] += fit.effects[place][code]
    return total


def terms_of(shape: Shape) -> list[Term]:
    """The factors that this shape has, those of name parts once per position."""
    terms = []
    for factor in FACTORS:
        if "p" in factor.crossed:
            terms += [Term(factor, position) for position in range(len(shape.parts))]
        else:
            terms.append(Term(factor))
    return terms


def parts_of(segments: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Per position the codes of the parts of segment names, when all have as many parts and share them;
    one more for the unknown."""
    split = [re.split(r"[-_/|:. ]+", name) for name in segments]
    if len(segments) < 4 or len({len(parts) for parts in split}) != 1 or not 2 <= len(split[0]) <= MOST_PARTS:
        return ()
    positions = []
    for words in zip(*split, strict=True):
        known = sorted(set(words))
        if 1 < len(known) <= 0.6 * len(segments):
            positions.append((*(known.index(word) for word in words), len(known)))
    return tuple(positions)


def no_effects(shape: Shape) -> SlotEffects:
    """Effects of a step about which nothing could be learned."""
    terms = terms_of(shape)
    return SlotEffects(
        shape, 0.0, tuple(np.zeros(size_of(term, shape)) for term in terms), (np.zeros(()),) * len(terms)
    )


def _levels(term: Term, cells: Cells, shape: Shape) -> list[tuple[Ints, int]]:
    """The crossed codes of a term and how many there are of each."""
    levels: list[tuple[Ints, int]] = []
    for letter in term.factor.crossed:
        if letter == "p":
            codes = np.array(shape.parts[term.part], dtype=np.int64)
            levels.append((codes[cells.segment], int(codes.max()) + 1))
        else:
            known = {
                "s": (cells.segment, shape.segments),
                "r": (cells.rhythm, shape.rhythms),
                "c": (cells.channel, len(CHANNELS)),
                "k": (cells.weekend, 2),
            }
            levels.append(known[letter])
    match term.factor.over:
        case Over.DAYS:
            levels.append((cells.weekday, Over.DAYS.value))
        case Over.HOURS:
            levels.append((cells.hour, Over.HOURS.value))
    return levels


def codes_of(term: Term, cells: Cells, shape: Shape) -> Ints:
    """(cells,) the term's level of each; of cells along several axes, as much of their product as it depends on."""
    code: Ints = np.zeros((), dtype=np.int64)
    for level, size in _levels(term, cells, shape):
        code = code * size + level
    return code


def size_of(term: Term, shape: Shape) -> int:
    """How many levels a term has."""
    nobody = np.zeros(0, dtype=np.int64)
    return int(
        np.prod(
            [size for _, size in _levels(term, Cells(nobody, nobody, nobody, nobody), shape)], dtype=np.int64
        )
    )


def distinct_cells(cells: Cells, shape: Shape) -> tuple[Cells, Ints]:
    """The distinct cells, and for each row which one it is in."""
    past = np.zeros(len(cells.slot), dtype=np.int64) if cells.past is None else cells.past
    key = (
        (cells.segment * shape.rhythms + cells.rhythm) * len(CHANNELS) + cells.channel
    ) * HOURS + cells.slot
    found, place = np.unique(key * (FADING_BUCKETS + 1) + past, return_inverse=True)
    rest, past = np.divmod(found, FADING_BUCKETS + 1)
    rest, slot = np.divmod(rest, HOURS)
    rest, channel = np.divmod(rest, len(CHANNELS))
    segment, rhythm = np.divmod(rest, shape.rhythms)
    return Cells(segment, rhythm, channel, slot, past), place
