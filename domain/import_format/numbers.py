"""Columns of numbers: exact amounts, probabilities, whole numbers."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from domain.import_format.kinds import BadCell, Kind
from domain.rejections import RejectCode

_DECIMAL = re.compile(r"[+-]?([0-9]+)(?:\.([0-9]+))?")


@dataclass(frozen=True)
class Amount(Kind):
    """An exact decimal number, bounded so that sums of many stay exact in storage.

    A typed binary float is taken as the shortest decimal that reads back as that float (0.1 is 0.1).
    """

    above_zero: bool = False
    from_zero: bool = False
    integer_digits: int = 15
    decimals: int = 30
    python_type: ClassVar[type] = Decimal

    @property
    def expected(self) -> str:
        """A plain decimal within the bounds."""
        return (
            f"a plain decimal number such as 1234.50, with at most {self.integer_digits} digits before "
            f"and {self.decimals} after the point"
        )

    def read_cell(self, cell: Any) -> Decimal:
        """Exactly the number written; exponents, NaN, infinities and thousands marks are none."""
        number = self._number(cell)
        whole, _, part = format(number.copy_abs(), "f").partition(".")
        if len(whole.lstrip("0")) > self.integer_digits or len(part.rstrip("0")) > self.decimals:
            raise BadCell(RejectCode.OUT_OF_RANGE)
        if self.above_zero and number <= 0:
            raise BadCell(RejectCode.NOT_POSITIVE)
        if self.from_zero and number < 0:
            raise BadCell(RejectCode.NEGATIVE)
        return number

    @staticmethod
    def _number(cell: Any) -> Decimal:
        if isinstance(cell, str) and len(cell) < 100 and _DECIMAL.fullmatch(cell):
            return Decimal(cell)
        if isinstance(cell, Decimal) and cell.is_finite():
            if abs(cell.adjusted()) > 100:  # writing it out would take that many digits
                raise BadCell(RejectCode.OUT_OF_RANGE)
            return cell
        if isinstance(cell, int) and not isinstance(cell, bool):
            return Decimal(cell)
        if isinstance(cell, float) and cell - cell == 0:  # finite
            return Decimal(repr(cell))
        raise BadCell(RejectCode.NOT_A_NUMBER)


_FLOAT = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True)
class Probability(Kind):
    """A number from 0 to 1; inexact, so exponents are welcome."""

    python_type: ClassVar[type] = float

    @property
    def expected(self) -> str:
        """Its range."""
        return "a number from 0 to 1"

    def read_cell(self, cell: Any) -> float:
        """The nearest float."""
        typed = isinstance(cell, int | float | Decimal) and not isinstance(cell, bool)
        if not typed and not (isinstance(cell, str) and _FLOAT.fullmatch(cell)):
            raise BadCell(RejectCode.NOT_A_NUMBER)
        try:
            number = float(cell)
        except ValueError as no_number:  # a signalling NaN
            raise BadCell(RejectCode.NOT_A_NUMBER) from no_number
        except OverflowError as too_large:
            raise BadCell(RejectCode.OUT_OF_RANGE) from too_large
        if number != number:  # noqa: PLR0124 - NaN
            raise BadCell(RejectCode.NOT_A_NUMBER)
        if not 0 <= number <= 1:
            raise BadCell(RejectCode.OUT_OF_RANGE)
        return number


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number from `least` to `most`."""

    least: int
    most: int
    python_type: ClassVar[type] = int

    @property
    def expected(self) -> str:
        """Its range."""
        return f"a whole number from {self.least} to {self.most}"

    def read_cell(self, cell: Any) -> int:
        """The number; a typed float counts when it is whole (a nullable integer column often is one)."""
        if isinstance(cell, str) and re.fullmatch(r"[+-]?[0-9]{1,19}", cell):
            number = int(cell)
        elif isinstance(cell, bool) or not isinstance(cell, int | float) or cell != cell // 1:
            raise BadCell(RejectCode.NOT_A_NUMBER)
        else:
            number = int(cell)
        if not self.least <= number <= self.most:
            raise BadCell(RejectCode.OUT_OF_RANGE)
        return number
