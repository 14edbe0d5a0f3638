"""Completed lists of objects that stay columns until they are written as JSON, which then takes no object per row."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from domain.columns import Numbers, Words

#: (rows,) text of each row, as long as the longest of them and filled up.
_Texts = NDArray[np.bytes_]

#: The most that is laid out at once, with room for the longest text of each column in every row.
_MOST_BYTES = 16 << 20
#: So many rows take less time to be laid out all at once than one by one.
_MANY = 256
#: What fills that room up: between tokens JSON may hold blanks. To leave them out takes as long as the rest.
_BLANK = b" "
#: Where more than one byte of so many would be blank they are left out nevertheless, by a filler that no JSON holds.
_MOST_BLANK = 8
_PADDING = b"\0"
#: Written where a list is put in later.
_LEFT_OUT = orjson.Fragment(_PADDING)
#: What is laid out at a time: memory that is at hand, where new pages for all of it would take longer than the rest.
_BYTES_AT_ONCE = 96 << 10
#: With so many values between the lowest and the highest or fewer, whole numbers are texts looked up.
_LOOKED_UP = 4096
_COMMA = ord(",")


class JsonRows:
    """`size` objects: field → what it is completed to in each of them, or the objects that it holds."""

    def __init__(self, size: int, columns: "Mapping[str, Sequence[Any] | JsonRows]") -> None:
        self._size = size
        self._columns = columns

    def rows(self) -> list[dict[str, Any]]:
        """Objects as ever."""
        columns = [each.rows() if isinstance(each, JsonRows) else each for each in self._columns.values()]
        return [dict(zip(self._columns, row, strict=False)) for row in zip(*columns, strict=True)]

    def json(self) -> bytes:
        """The list as JSON."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes | bytearray]:
        """The list as JSON, piece by piece."""
        if self._size < _MANY or not self._is_plain():
            return iter([orjson.dumps(self.rows())])
        filler = _BLANK
        parts = list(self._parts(filler))
        room = self._size * sum(map(_room, parts))
        if room < _MOST_BLANK * sum(map(_blanks, parts)):
            filler = _PADDING
            parts = list(self._parts(filler))
        return (
            _laid_out(parts, self._size, filler) if room <= _MOST_BYTES else iter([orjson.dumps(self.rows())])
        )

    def _is_plain(self) -> bool:
        """Whether every column is one that texts are made of all at once."""
        return all(
            each._is_plain() if isinstance(each, JsonRows) else isinstance(each, Numbers | Words)
            for each in self._columns.values()
        )

    def _parts(self, filler: bytes) -> Iterator["bytes | _Texts"]:
        """What a row is written of: texts that all rows share, and such that are each row's own."""
        before = b"{"
        for name, column in self._columns.items():
            yield before + orjson.dumps(name) + b":"
            before = b","
            if isinstance(column, JsonRows):
                yield from column._parts(filler)
            elif isinstance(column, Words):
                yield _of_words(column, filler)
            elif isinstance(column, Numbers):
                yield _of_numbers(column, filler)
        yield b"}"


class Written:
    """A completed list that is JSON already, in pieces."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    def pieces(self) -> Iterator[bytes | bytearray]:
        """The list as JSON, piece by piece."""
        return iter(self._pieces)


def _room(part: bytes | _Texts) -> int:
    return len(part) if isinstance(part, bytes) else part.itemsize


def _blanks(part: bytes | _Texts) -> int:
    return 0 if isinstance(part, bytes) else int(np.count_nonzero(part.view(np.uint8) == ord(_BLANK)))


def _laid_out(parts: Sequence[bytes | _Texts], size: int, filler: bytes) -> Iterator[bytes | bytearray]:
    """Rows of equal length, their own texts put into their places."""
    row = b"".join(part if isinstance(part, bytes) else filler * part.itemsize for part in parts) + b","
    starts = np.cumsum([0, *map(_room, parts)]).tolist()
    own = [(part, start) for part, start in zip(parts, starts, strict=False) if not isinstance(part, bytes)]
    at_once = max(1, _BYTES_AT_ONCE // len(row))
    yield b"["
    for first in range(0, size, at_once):
        count = min(at_once, size - first)
        rows = bytearray(row) * count
        for texts, start in own:
            places = np.ndarray(count, f"V{texts.itemsize}", rows, offset=start, strides=(len(row),))
            places[:] = texts[first : first + count].view(places.dtype)
        if first + count == size:
            rows[-1:] = b"]"
        yield rows.translate(None, _PADDING) if filler == _PADDING else rows


def _of_words(column: Words[Any], filler: bytes) -> _Texts:
    found: _Texts = _filled([orjson.dumps(word) for word in column.words], filler)[np.asarray(column.codes)]
    return found


def _of_numbers(column: Numbers, filler: bytes) -> _Texts:
    numbers = np.ascontiguousarray(column.buffer)
    if column.are_whole:
        lowest, highest = int(numbers.min()), int(numbers.max())
        if highest - lowest < _LOOKED_UP:
            texts = _filled([b"%d" % number for number in range(lowest, highest + 1)], filler)
            found: _Texts = texts[numbers - lowest]
            return found
    return _elements(orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY), filler)


def _filled(texts: Sequence[bytes], filler: bytes) -> _Texts:
    longest = max(map(len, texts))
    return np.array([text.ljust(longest, filler) for text in texts], f"S{longest}")


def _elements(array: bytes, filler: bytes) -> _Texts:
    """The texts of the elements of a JSON array of numbers."""
    written = np.frombuffer(array, np.uint8)
    ends = np.append(np.flatnonzero(written == _COMMA), len(array) - 1)
    starts = np.append(0, ends[:-1]) + 1
    lengths = ends - starts
    longest = int(lengths.max())
    windows = np.ndarray(len(array), f"V{longest}", array + filler * longest, strides=(1,))
    texts = windows[starts].view(np.uint8).reshape(len(starts), longest)
    texts[np.arange(longest) >= lengths[:, None]] = ord(filler)
    found: _Texts = texts.view(f"S{longest}").ravel()
    return found


def to_json(content: object) -> bytes:
    """JSON of whatever answers are made of."""
    lists: list[JsonRows | Written] = []

    def left_out(value: object) -> orjson.Fragment:
        if not isinstance(value, JsonRows | Written):
            raise TypeError(type(value).__name__)
        lists.append(value)
        return _LEFT_OUT

    around = orjson.dumps(content, default=left_out)
    if not lists:
        return around
    before, *after = around.split(_PADDING)
    whole: list[bytes | bytearray] = [before]
    for rows, text in zip(lists, after, strict=True):
        whole += rows.pieces()
        whole.append(text)
    return b"".join(whole)
