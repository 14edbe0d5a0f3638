"""A day's messages and their rollups as columns of arrays: what is stored, and what answers are put together from.

Stored they are bytes: numbers little-endian and as narrow as the column says, words as JSON beside them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.kpis.requests import MessageDimension
from domain.storage.kpis.messages import COUNT_NAMES
from domain.storage.rollups.arrays import Coded, Ints
from domain.storage.rollups.dimensions import ROLLED_UP

#: A dimension's value as text, as in the database; an amount of money as (currency, amount).
Word = str | None
Money = tuple[str, str]

#: One reaction time of one group: how many had it, how many of these are in the Kaplan–Meier population, their sum in
#: microseconds, percentiles in seconds, and how many bands of the sketches are its own. span: place in `SPAN_NAMES`.
REACTION = np.dtype(
    [
        *(("group", "<u4"), ("span", "u1"), ("count", "<u4"), ("entered", "<u4"), ("microseconds", "<i8")),
        *(("p50", "<f8"), ("p90", "<f8"), ("bands", "<u4")),
    ]
)
#: As `domain.kpis.sketches` has it.
BAND = np.dtype([("band", ">i2"), ("count", ">u4")])
_PAID = np.dtype([("group", "<u4"), ("word", "<u4"), ("times", "<u4")])
_WAITED = np.dtype([("message", "<u4"), ("seconds", "<f8")])

SPAN_NAMES = ("sent_to_open", "open_to_pay", "sent_to_pay")


class TooFine(Exception):
    """The days have so many groups that the database should put them together."""


@dataclass(frozen=True)
class Amounts:
    """Money of groups: `money[i]` came up `times[i]` times in group `group[i]`."""

    group: Ints
    money: Coded[Money]
    times: Ints


@dataclass(frozen=True)
class Facts:
    """Messages, one per row: where they belong, what became of them (a bit per count), what they cost and brought.

    paid: the payments attributed to them, of the message in row paid_for[i]. waited: span → (rows, seconds).
    """

    dimensions: Mapping[MessageDimension, Coded[Word]]
    days_past_due: Ints
    outcome: Coded[int]
    cost: Coded[Money | None]
    paid_for: Ints
    paid: Coded[Money]
    waited: Mapping[str, tuple[Ints, NDArray[np.float64]]]

    @property
    def size(self) -> int:
        """How many messages."""
        return len(self.outcome.codes)


@dataclass(frozen=True)
class Rolled:
    """Groups of messages, one per row: dimensions, (groups, counts) counts, money, reaction times with their sketches.

    What was not asked for is empty. bands: those of the first reaction, then those of the second, …
    """

    dimensions: Mapping[MessageDimension, Coded[Word]]
    counts: NDArray[np.uint32]
    cost: Amounts
    collected: Amounts
    reactions: NDArray[Any]
    bands: NDArray[Any]

    @property
    def size(self) -> int:
        """How many groups."""
        return len(self.counts)


NO_MONEY = Amounts(np.empty(0, np.int64), Coded((), np.empty(0, np.int64)), np.empty(0, np.int64))
NO_REACTIONS = np.empty(0, REACTION)
NO_BANDS = np.empty(0, BAND)


# ---------- stored ----------


def store_facts(facts: Facts) -> dict[str, Any]:
    """The columns of `message_day`."""
    paid = np.rec.fromarrays([facts.paid_for, facts.paid.codes, np.ones(len(facts.paid_for))], dtype=_PAID)
    coded = {column_of(each): column for each, column in facts.dimensions.items() if each in ROLLED_UP}
    words = {name: column.words for name, column in coded.items()}
    return {
        "messages": facts.size,
        "words": _text(
            {**words, "outcome": facts.outcome.words, "cost": facts.cost.words, "paid": facts.paid.words}
        ),
        **{name: _narrow(column) for name, column in coded.items()},
        "days_past_due": facts.days_past_due.astype("<i4").tobytes(),
        "outcome": _narrow(facts.outcome),
        "cost": _narrow(facts.cost),
        "paid": paid.tobytes(),
        **{span: np.rec.fromarrays(facts.waited[span], dtype=_WAITED).tobytes() for span in SPAN_NAMES},
    }


def read_facts(row: Mapping[Any, Any], dimensions: Sequence[MessageDimension]) -> Facts:
    """What `store_facts` stored; columns that the row does not have are empty."""
    words = _words(row["words"])
    paid = np.frombuffer(row.get("paid", b""), _PAID)
    waited = {span: np.frombuffer(row.get(span, b""), _WAITED) for span in SPAN_NAMES}
    return Facts(
        {each: _widened(words[column_of(each)], row[column_of(each)]) for each in dimensions},
        np.frombuffer(row.get("days_past_due", b""), "<i4").astype(np.int64),
        _widened(words["outcome"], row["outcome"]),
        _widened(words["cost"], row.get("cost", b"")),
        paid["group"].astype(np.int64),
        Coded(words["paid"], paid["word"].astype(np.int64)),
        {span: (each["message"].astype(np.int64), each["seconds"]) for span, each in waited.items()},
    )


def store_rolled(rolled: Rolled) -> dict[str, Any]:
    """The columns of `message_rollup`."""
    columns = rolled.dimensions.values()
    keys = np.column_stack([column.codes for column in columns]).astype("<u4")
    words = [[column.words for column in columns], rolled.cost.money.words, rolled.collected.money.words]
    return {
        "groups": rolled.size,
        "words": _text(words),
        "keys": keys.tobytes(),
        "counts": rolled.counts.astype("<u4").tobytes(),
        "cost": _stored_amounts(rolled.cost),
        "collected": _stored_amounts(rolled.collected),
        "reactions": rolled.reactions.astype(REACTION).tobytes(),
        "bands": rolled.bands.astype(BAND).tobytes(),
    }


def read_rolled(rows: Sequence[Mapping[Any, Any]], dimensions: Sequence[MessageDimension]) -> Rolled:
    """What `store_rolled` stored for several days that have the same words, one after the other; as `read_facts`."""
    of_keys, of_cost, of_collected = _words(rows[0]["words"])
    starts = np.cumsum([0, *(row["groups"] for row in rows)])
    keys = np.frombuffer(b"".join(row["keys"] for row in rows), "<u4").reshape(-1, len(dimensions))
    counts = np.frombuffer(b"".join(row["counts"] for row in rows), "<u4").reshape(-1, len(COUNT_NAMES))
    reactions = _after(rows, "reactions", REACTION, starts)
    if "bands" not in rows[0]:
        reactions["bands"] = 0
    return Rolled(
        {
            each: Coded(tuple(words), keys[:, at].astype(np.int64))
            for at, (each, words) in enumerate(zip(dimensions, of_keys, strict=True))
        },
        counts,
        _amounts(_after(rows, "cost", _PAID, starts), of_cost),
        _amounts(_after(rows, "collected", _PAID, starts), of_collected),
        reactions,
        np.frombuffer(b"".join([row["bands"] for row in rows] if "bands" in rows[0] else []), BAND),
    )


def column_of(dimension: MessageDimension) -> str:
    """The column of `message_day` that holds a dimension's codes."""
    return dimension.value.lower()


def _after(rows: Sequence[Mapping[Any, Any]], name: str, kind: np.dtype[Any], starts: Ints) -> NDArray[Any]:
    """Records of several days, their groups counted on from day to day."""
    parts = [row[name] for row in rows] if name in rows[0] else [b""] * len(rows)
    records = np.frombuffer(b"".join(parts), kind).copy()
    records["group"] += np.repeat(starts[:-1], [len(part) // kind.itemsize for part in parts]).astype(
        np.uint32
    )
    return records


def _stored_amounts(amounts: Amounts) -> bytes:
    return np.rec.fromarrays([amounts.group, amounts.money.codes, amounts.times], dtype=_PAID).tobytes()


def _amounts(records: NDArray[Any], words: tuple[Money, ...]) -> Amounts:
    return Amounts(
        records["group"].astype(np.int64),
        Coded(words, records["word"].astype(np.int64)),
        records["times"].astype(np.int64),
    )


def _narrow(column: Coded[Any]) -> bytes:
    return column.codes.astype(_width(len(column.words))).tobytes()


def _widened(words: tuple[Any, ...], codes: bytes) -> Coded[Any]:
    return Coded(words, np.frombuffer(codes, _width(len(words))).astype(np.int64))


def _width(words: int) -> str:
    return "<u1" if words <= 1 << 8 else "<u2" if words <= 1 << 16 else "<u4"


def _text(words: Any) -> str:
    return json.dumps(words, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=1024)
def _words(text: str) -> Any:
    """JSON with tuples for lists: they are what columns are told alike by."""
    return _frozen(json.loads(text))


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(each) for each in value)
    return {name: _frozen(each) for name, each in value.items()} if isinstance(value, dict) else value
