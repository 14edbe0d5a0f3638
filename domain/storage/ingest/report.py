"""What a merge answers."""

from collections.abc import Callable
from dataclasses import dataclass, field

from domain.rejections import RejectCode

#: Called as work goes on: stage, how much of it is done, out of how much.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Rejection:
    """One bad line: of which table, where it stands, the first column that is wrong, why, and the same for people."""

    table: str
    line: int
    column: str
    code: RejectCode
    reason: str


@dataclass(frozen=True)
class TableReport:
    """How the rows of a table fared.

    rows: lines read. accepted: rows new or changed. duplicates: lines that were known already or are repeated, and
    change nothing. rejected: distinct rows refused.
    """

    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class MergeReport:
    """tables: by import name, those that came. applied: False when strictness undid everything."""

    tables: dict[str, TableReport] = field(default_factory=dict)
    applied: bool = True

    @property
    def rejected(self) -> int:
        """Distinct rows refused, over all tables."""
        return sum(table.rejected for table in self.tables.values())
