"""Facts from a mutation or a webhook: a few items, typed or text, each with the fields it happens to have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from domain.import_format import ATTRIBUTE_PREFIX, FORMAT, Chunk, TableFormat
from domain.rejections import RejectCode
from domain.storage.ingest.merge import merge
from domain.storage.ingest.report import Rejection

#: The item's key that holds its custom attributes, as an object.
ATTRIBUTES = "attributes"


@dataclass(frozen=True)
class ItemRejection:
    """One refused item: its position, the column that is wrong (as in the import format), why, and for people."""

    index: int
    field: str
    code: str
    message: str


@dataclass(frozen=True)
class IngestReport:
    """accepted: items new or changed. duplicates: items known already, or repeated, that change nothing."""

    accepted: int
    duplicates: int
    rejected: list[ItemRejection]


async def ingest_items(
    connection: AsyncConnection,
    tenant_id: int,
    table: str,
    items: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
) -> IngestReport:
    """Merge items into an import table, in the connection's transaction, which the caller commits.

    An item maps column names to values; a column that is not there leaves what is stored, None clears it. `attributes`
    is an object of `x_` names to scalars, which may stand among the columns too. Good items are taken whatever the
    others are.

    Raises:
        ValueError: an item has a key that the table has no column for.
        IngestContention: other writers would not let it finish; safe to send again.
    """
    rejections: list[Rejection] = []
    chunk = items_chunk(FORMAT[table], items)
    report = await merge(connection, tenant_id, {table: [chunk]}, now=now, on_rejection=rejections.append)
    counts = report.tables[table]
    return IngestReport(
        counts.accepted,
        counts.duplicates,
        [ItemRejection(bad.line, bad.column, bad.code.value, bad.reason) for bad in rejections],
    )


def items_chunk(table: TableFormat, items: Sequence[Mapping[str, Any]]) -> Chunk:
    """The items as columns, what is absent from which told apart from what is None.

    Raises:
        ValueError: an item has a key that the table has no column for.
    """
    problems: dict[int, tuple[str, RejectCode]] = {}
    attributes = [_attributes(item, index, problems) for index, item in enumerate(items)]
    rows = [
        {name: value for name, value in item.items() if name != ATTRIBUTES and not _is_custom(name)}
        for item in items
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    unknown = [name for name in names if name not in table.by_name]
    if unknown:
        raise ValueError(f"{table.name} has no column {unknown[0]}.")
    columns = {name: [row.get(name) for row in rows] for name in names}
    absent = {name: frozenset(at for at, row in enumerate(rows) if name not in row) for name in names}
    return Chunk(
        range(len(rows)),
        columns,
        {name: at for name, at in absent.items() if at},
        problems=problems,
        attributes=attributes,
    )


def _attributes(
    item: Mapping[str, Any], index: int, problems: dict[int, tuple[str, RejectCode]]
) -> Mapping[str, Any]:
    """The item's attributes, those that stand beside its fields included; a name that is no `x_` name is a problem."""
    beside = {name: value for name, value in item.items() if _is_custom(name)}
    attributes = item.get(ATTRIBUTES)
    if attributes is None:
        return beside
    if isinstance(attributes, Mapping) and all(map(_is_custom, attributes)):
        return {**beside, **attributes}
    problems[index] = (ATTRIBUTES, RejectCode.INVALID_ATTRIBUTE)
    return beside


def _is_custom(name: object) -> bool:
    return isinstance(name, str) and name.startswith(ATTRIBUTE_PREFIX)
