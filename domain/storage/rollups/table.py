"""The rows of message KPIs as they are put together: columns, and what follows from them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.columns import Columns, Numbers
from domain.kpis.formulas import net_of
from domain.kpis.messages import RATES, MessageKpiRow
from domain.storage.rollups.arrays import Ints


class MessageKpiTable(Columns[MessageKpiRow]):
    """Rows kept by column; so are what follows from the counts, and from the money.

    holding: for how many seconds after their instant of knowledge they stay as they are, without further facts.
    """

    def __init__(
        self,
        size: int,
        counts: Mapping[str, Ints],
        others: Mapping[str, Sequence[Any] | Columns[Any]],
        *,
        holding: float,
    ) -> None:
        columns = {name: numbers(count) for name, count in counts.items()}
        super().__init__(MessageKpiRow, size, {**columns, **others})
        self._counts = counts
        self.holding = holding

    def column(self, field: str) -> Sequence[Any] | Columns[Any] | None:
        """The values of a field or of a property of rows."""
        if field in RATES:
            return numbers(self._rate(field))
        if field == "net_collected":
            return list(map(net_of, self._columns["collected"], self._columns["cost"]))
        return super().column(field)

    def _rate(self, name: str) -> NDArray[np.float64]:
        numerators, denominator = RATES[name]
        part, whole = sum(self._counts[each] for each in numerators), self._counts[denominator]
        shares: NDArray[np.float64] = np.divide(
            part, whole, out=np.full(len(whole), np.nan), where=whole != 0
        )
        return shares


def numbers(values: NDArray[Any]) -> Numbers:
    """A column of 64-bit numbers, NaN for None."""
    return Numbers(np.ascontiguousarray(values).data)
