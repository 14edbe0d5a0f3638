"""Columns of many rows and few values as arrays, and what they are grouped and added up with.

Everything is exact: whole numbers are added up as such, amounts of money as whole multiples of their smallest part.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Word = TypeVar("Word", bound=Hashable)

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Up to so many codes, or so many for each row, a count of each takes less than sorting the rows.
_COUNTED_AT_ONCE, _COUNTED_FOR_A_ROW = 1 << 16, 4
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Coded(Generic[Word]):
    """A column: row i holds words[codes[i]]."""

    words: tuple[Word, ...]
    codes: Ints

    def __getitem__(self, rows: Ints | Bools) -> "Coded[Word]":
        return Coded(self.words, self.codes[rows])


def joined(columns: Sequence[Coded[Word]]) -> Coded[Word]:
    """The columns of several parts, one after the other, as one."""
    places: dict[Word, int] = {}
    for words in dict.fromkeys(column.words for column in columns):
        for word in words:
            places.setdefault(word, len(places))
    recoded: dict[tuple[Word, ...], Ints] = {}
    for column in columns:
        if column.words not in recoded:
            recoded[column.words] = np.array([places[word] for word in column.words], np.int64)
    parts = [recoded[column.words][column.codes] for column in columns]
    return Coded(tuple(places), np.concatenate(parts) if parts else np.empty(0, np.int64))


def combined(columns: Sequence[Coded[Word]], rows: int) -> tuple[Ints, int]:
    """(codes, how many there may be): rows of equal values have equal codes, in the order of the columns' own."""
    codes, size = np.zeros(rows, np.int64), 1
    for column in columns:
        width = max(1, len(column.words))
        if size > _LARGEST // width:  # so many can't all be there
            present, codes = np.unique(codes, return_inverse=True)
            size = len(present)
        codes, size = codes * width + column.codes, size * width
    return codes, size


def distinct(codes: Ints, size: int) -> tuple[Ints, Ints]:
    """(the different codes in order, the place of each row's among them); codes are 0 … size − 1."""
    if size > max(_COUNTED_AT_ONCE, _COUNTED_FOR_A_ROW * len(codes)):
        present, inverse = np.unique(codes, return_inverse=True)
        return present, inverse
    found = np.bincount(codes, minlength=size)
    present = np.flatnonzero(found)
    place = np.zeros(size, np.int64)
    place[present] = np.arange(len(present))
    return present, place[codes]


def summed(codes: Ints, numbers: NDArray[Any], size: int) -> Ints:
    """(size,) exact sums of whole numbers by code."""
    if not len(codes):
        return np.zeros(size, np.int64)
    if float(np.abs(numbers).max()) * len(numbers) < 2**53:
        return np.bincount(codes, numbers, size).astype(np.int64)
    total = np.zeros(size, np.int64)
    np.add.at(total, codes, numbers)
    return total


def amounts_summed(codes: Ints, amounts: Coded[str], times: Ints, size: int) -> list[Decimal]:
    """(size,) exact sums of amounts, each so many times, by code; with as many decimals as the longest of them."""
    numbers = [Decimal(word) for word in amounts.words]
    scales = np.array([max(0, -int(number.as_tuple().exponent)) for number in numbers], np.int64)
    scale = int(scales.max(initial=0))
    wholes = [
        int(f"{number:f}".replace(".", "")) * 10 ** int(scale - own)
        for number, own in zip(numbers, scales, strict=True)
    ]
    fits = max(map(abs, wholes), default=0) * max(1, int(times.sum())) <= _LARGEST
    whole = np.array(wholes, np.int64 if fits else object)
    total = np.zeros(size, whole.dtype)
    np.add.at(total, codes, whole[amounts.codes] * times)
    longest = np.zeros(size, np.int64)
    np.maximum.at(longest, codes, scales[amounts.codes])
    return [
        Decimal(f"{int(one) // 10 ** (scale - shown)}E-{shown}")
        for one, shown in zip(total.tolist(), longest.tolist(), strict=True)
    ]
