"""Facts in, through the one merge that imports take too."""

from collections.abc import Sequence
from enum import Enum
from typing import Any

import strawberry
from strawberry.types.base import get_object_definition

from api.graphql.context import Info
from api.graphql.ids import parse_id
from api.graphql.types.ingest import IngestReport
from api.services import InvalidArgument
from domain.storage.audit import named_by, record
from domain.storage.ingest import ingest_items

MOST_ITEMS = 1000
_NOBODYS = 2**63 - 1


async def ingest(info: Info, table: str, items: Sequence[Any]) -> IngestReport:
    """Merge the items of a mutation into an import table, in one transaction with its entry in the audit log.

    Raises:
        InvalidArgument: more than 1,000 items.
        IngestContention: other writers would not let it finish; safe to send again.
    """
    if len(items) > MOST_ITEMS:
        raise InvalidArgument(
            f"input has {len(items)} items; at most {MOST_ITEMS:,} are taken in one call.", path=("input",)
        )
    rows, context = [_row(item) for item in items], info.context
    async with context.services.database.transaction(context.tenant_id) as connection:
        report = await ingest_items(connection, context.tenant_id, table, rows, now=context.now)
        refused = {bad.index for bad in report.rejected}
        taken = [row["reference"] for index, row in enumerate(rows) if index not in refused]
        await record(
            connection,
            context.tenant_id,
            context.signature,
            info.field_name,
            nodes=await named_by(connection, context.tenant_id, table, taken),
            counts={
                "accepted": report.accepted,
                "duplicates": report.duplicates,
                "rejected": len(report.rejected),
            },
        )
    return IngestReport.of(report)


def _row(item: Any) -> dict[str, Any]:
    """An input by the columns of the import format, which its Python names are; what was left out left out."""
    definition = get_object_definition(item, strict=True)
    given = ((field.python_name, getattr(item, field.python_name)) for field in definition.fields)
    return {name: _cell(name, value) for name, value in given if value is not strawberry.UNSET}


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if name == "decision_id" and value is not None:
        return _decision_number(value)
    return value


def _decision_number(value: str) -> int:
    """The number behind a decision's id; of what is no such id one that no decision has, for the merge to refuse."""
    try:
        kind, number = parse_id(value)
    except InvalidArgument:
        return _NOBODYS
    return number if kind == "Decision" else _NOBODYS
