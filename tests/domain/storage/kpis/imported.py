"""A data set that was imported for its KPIs."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from tests.oracle.reading import Reading, Settings

SAMPLE = Path(__file__).parents[3] / "data" / "sample"
#: When everything is imported.
NOW = datetime(2026, 6, 20, tzinfo=UTC)


@dataclass
class Imported:
    """A tenant with the data set of a folder in it; `rejected`: rows the import refused, per table."""

    tenant_id: int
    rejected: dict[str, int]
    folder: Path
    settings: Settings = field(default_factory=Settings)

    @cached_property
    def oracle(self) -> Reading:
        return Reading(self.folder, self.settings)
