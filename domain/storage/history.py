"""What was known at an instant, read for learning: the frames of `ml.frames.History`, keyed by surrogate ids.

All of a tenant goes to CSV files by COPY (`export_history`); a few debtors come back as rows (`debtor_history`), by the
same statements, in milliseconds. Facts after the instant are left out, later outcomes of earlier facts are null. Custom
attributes follow as columns under their own `x_` names, as text; `channels` is one text, joined by CHANNEL_SEPARATOR.
No name, address or phone number is read.
"""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.collection_settings import CollectionSettings
from domain.storage.derived.plans import Scale, planned
from domain.storage.derived.segment_rules import SegmentProgram, segment_program
from domain.storage.derived.segment_sets import latest_rates, stored_segments
from domain.storage.derived.settings import collection_settings
from domain.storage.derived.spans import offer_spans
from domain.storage.derived.states import with_states
from domain.storage.derived.touched import touch_for_reading
from domain.storage.history_frames import FRAMES, Frame
from domain.storage.tables import tenant


@dataclass(frozen=True)
class ExportedHistory:
    """Where a history lies. rates: units of `currency`, the tenant's, for one unit of each, latest as of `as_of`.

    files: frame name (debtors, accounts, communications, payments, promises, templates, finance) → CSV with a header.
    """

    as_of: datetime
    currency: str
    rates: Mapping[str, Decimal]
    files: Mapping[str, Path]


@dataclass(frozen=True)
class Rows:
    """One frame: column names, and the rows in no particular order."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


@dataclass(frozen=True)
class DebtorHistory:
    """The history of a few debtors; as `ExportedHistory`, with the frames at hand."""

    as_of: datetime
    currency: str
    rates: Mapping[str, Decimal]
    frames: Mapping[str, Rows]


#: Custom attributes of a frame: those that most rows have. Names without end would fit no statement and teach nothing.
MOST_ATTRIBUTES = 200
_ATTRIBUTE_NAMES = """
    SELECT name FROM (
        SELECT jsonb_object_keys({alias}.attributes) AS name FROM {source}
        {condition} {alias}.tenant_id = :tenant_id AND {alias}.attributes <> '{{}}'
    ) found GROUP BY name ORDER BY count(*) DESC, name LIMIT {most}
"""


@dataclass(frozen=True)
class _Read:
    """A frame's statement, ready to run; `columns` are its columns' names, in order."""

    columns: tuple[str, ...]
    statement: str
    binds: Mapping[str, Any]


@dataclass(frozen=True)
class _Reader:
    """One reading of a history: what every frame's statement needs."""

    connection: AsyncConnection
    tenant_id: int
    as_of: datetime
    rules: SegmentProgram
    settings: CollectionSettings
    scale: Scale

    async def frame(self, name: str) -> _Read:
        """The statement of a frame, with a column for every custom attribute that occurs, up to `MOST_ATTRIBUTES`."""
        frame = FRAMES[name]
        attributes = await self._attributes(name, frame)
        columns = dict(frame.columns)
        columns |= {
            attribute: f"{frame.attributes_of}.attributes ->> CAST(:attribute_{n} AS text)"
            for n, attribute in enumerate(attributes)
        }
        listed = ", ".join(f"{sql} AS c{n}" for n, sql in enumerate(columns.values()))
        statement, binds = f"SELECT {listed} FROM {frame.source}", self._binds()
        binds |= {f"attribute_{n}": attribute for n, attribute in enumerate(attributes)}
        if name == "debtors":
            statement, rule_binds = with_states(statement, rules=self.rules, scale=self.scale)
            binds |= rule_binds
        return _Read(tuple(columns), statement, binds)

    async def _attributes(self, name: str, frame: Frame) -> list[str]:
        if frame.attributes_of is None:
            return []
        source = frame.source if name != "debtors" else "touched_debtor t JOIN debtor d ON d.id = t.debtor_id"
        statement = _ATTRIBUTE_NAMES.format(
            alias=frame.attributes_of,
            source=source,
            condition="AND" if " WHERE " in source else "WHERE",
            most=MOST_ATTRIBUTES,
        )
        return sorted(await self.connection.scalars(text(statement), self._binds()))

    def _binds(self) -> dict[str, Any]:
        return {
            "tenant_id": self.tenant_id,
            "as_of": self.as_of,
            "click_window": self.settings.click_window,
            "open_window": self.settings.open_window,
        }

    async def rows(self, read: _Read) -> Rows:
        """A frame's rows."""
        found = await self.connection.execute(text(read.statement), read.binds)
        return Rows(read.columns, [tuple(row) for row in found])

    async def copy(self, read: _Read, file: BinaryIO) -> None:
        """A frame's rows as CSV behind what the file has already, straight from the server.

        Raises:
            OSError: the file takes no more (a full disk, say).
        """
        compiled = text(read.statement).compile(dialect=self.connection.dialect)
        order = getattr(compiled, "positiontup", None) or ()
        raw = await self.connection.get_raw_connection()
        driver: Any = raw.driver_connection
        sink = _Sink(file)
        await driver.copy_from_query(
            str(compiled), *(read.binds[name] for name in order), output=sink, format="csv"
        )
        if sink.refused is not None:
            raise sink.refused


class _Sink:
    """Takes what a COPY sends to its end, also when the file takes no more: a COPY whose reader raises leaves its
    connection waiting for ever, and whoever holds it.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.refused: OSError | None = None

    async def __call__(self, chunk: bytes) -> None:
        if self.refused is None:
            try:
                await asyncio.to_thread(self._file.write, chunk)
            except OSError as error:
                self.refused = error


@asynccontextmanager
async def _reading(
    connection: AsyncConnection, tenant_id: int, *, as_of: datetime, debtor_ids: Sequence[int] | None
) -> AsyncIterator[_Reader]:
    count = await touch_for_reading(connection, tenant_id, debtor_ids)
    rules = segment_program((await stored_segments(connection, tenant_id)).rules)
    settings = await collection_settings(connection, tenant_id)
    scale = Scale(count)
    async with (
        planned(connection, scale),
        offer_spans(connection, tenant_id, rules=rules, settings=settings, scale=scale),
    ):
        yield _Reader(connection, tenant_id, as_of, rules, settings, scale)


async def export_history(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    as_of: datetime,
    to: Path,
    debtor_ids: Sequence[int] | None = None,
) -> ExportedHistory:
    """Write everything known at `as_of`, or what is known of some debtors, into the folder `to`, a CSV file per frame;
    replaces what is there.
    """
    files = {name: to / f"{name}.csv" for name in FRAMES}
    async with _reading(connection, tenant_id, as_of=as_of, debtor_ids=debtor_ids) as reader:
        for name, path in files.items():
            read = await reader.frame(name)
            with _begun(path, read.columns) as file:
                await reader.copy(read, file)
    currency, rates = await currency_and_rates(connection, tenant_id, as_of)
    return ExportedHistory(as_of, currency, rates, files)


async def debtor_history(
    connection: AsyncConnection, tenant_id: int, *, as_of: datetime, debtor_ids: Sequence[int]
) -> DebtorHistory:
    """What was known at `as_of` of a few debtors, with all templates; unknown ids are left out."""
    async with _reading(connection, tenant_id, as_of=as_of, debtor_ids=debtor_ids) as reader:
        frames = {name: await reader.rows(await reader.frame(name)) for name in FRAMES}
    currency, rates = await currency_and_rates(connection, tenant_id, as_of)
    return DebtorHistory(as_of, currency, rates, frames)


def _begun(path: Path, columns: Sequence[str]) -> BinaryIO:
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(columns)
    file = path.open("wb")
    file.write(header.getvalue().encode())
    return file


async def currency_and_rates(
    connection: AsyncConnection, tenant_id: int, as_of: datetime
) -> tuple[str, Mapping[str, Decimal]]:
    """The tenant's currency, and how much of it one unit of each other was worth at last on that day."""
    currency: str = (
        await connection.scalars(select(tenant.c.currency).where(tenant.c.id == tenant_id))
    ).one()
    return currency, await latest_rates(connection, tenant_id, on=as_of.date())
