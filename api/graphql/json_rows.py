"""Completed lists of objects that stay columns until they are written as JSON, which then takes no object per row."""

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

import orjson
import polars as pl


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
        frame = self._frame()
        return orjson.dumps(self.rows()) if frame is None else frame.write_json().encode()

    def _frame(self) -> pl.DataFrame | None:
        """The columns as a frame; None when one holds anything but plain values of one kind."""
        found: list[pl.Series] = []
        for name, column in self._columns.items():
            if isinstance(column, JsonRows):
                inner = column._frame()
                series = None if inner is None else inner.to_struct(name)
            else:
                series = _series(name, column)
            if series is None:
                return None
            found.append(series)
        return pl.DataFrame(found)


_KINDS: Mapping[type, type[pl.DataType]] = {
    int: pl.Int64,
    float: pl.Float64,
    str: pl.String,
    bool: pl.Boolean,
}


def _series(name: str, column: Sequence[Any]) -> pl.Series | None:
    kinds = set(map(type, column)) - {NoneType}
    if not kinds:
        return pl.Series(name, column, pl.Null)
    kind = _KINDS.get(kinds.pop())
    return None if kinds or kind is None else pl.Series(name, column, kind)


def to_json(content: object) -> bytes:
    """JSON of whatever answers are made of."""
    return orjson.dumps(content, default=_fragment)


def _fragment(value: object) -> orjson.Fragment:
    if isinstance(value, JsonRows):
        return orjson.Fragment(value.json())
    raise TypeError(type(value).__name__)
