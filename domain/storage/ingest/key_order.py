"""Whether the keys of a table come in order, as those of exports mostly do: then none can come twice."""

from itertools import chain
from operator import lt

import polars as pl

from domain.import_format import Rows, TableFormat


class KeyOrder:
    """Follows a table's rows. ascending: so far, its keys have. any_plain: some rows have no fingerprint yet."""

    def __init__(self, table: TableFormat) -> None:
        self.ascending, self.any_plain = len(table.key) == 1, False
        self._key, self._last = table.key[0], ""

    def follow(self, rows: Rows) -> None:
        """Look at the next rows."""
        keys = rows.columns.get(self._key, [])
        self.ascending = self.ascending and None not in keys and all(map(lt, chain([self._last], keys), keys))
        self._last = keys[-1] if keys else self._last

    def follow_plain(self, frame: pl.DataFrame) -> None:
        """Look at the next rows, which have their keys."""
        self.any_plain = True
        if self.ascending and frame.height:
            keys = frame[self._key]
            before = keys.shift(1, fill_value=self._last)
            self.ascending, self._last = bool((before < keys).all()), keys[-1]
