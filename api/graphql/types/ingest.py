"""Facts in: what became of the items of a mutation."""

import re

import strawberry
from strawberry.utils.str_converters import to_camel_case

from domain.storage import ingest

_field = strawberry.field

#: A column of the import format as sentences name it; custom attributes keep their names.
_COLUMN = re.compile(r"\b(?!x_)[a-z]+(?:_[a-z]+)+\b")


@strawberry.type(description="An item that was not taken.")
class IngestRejection:
    """An item that was not taken."""

    index: int = _field(description="Its place in the input, from 0.")
    field: str | None = _field(
        description="The field that is wrong, the first if several are; null: the item as a whole."
    )
    code: str = _field(description="Stable code, such as UNKNOWN_REFERENCE (docs/import.md).")
    message: str = _field(description="What is wrong and what would be right, for people.")


@strawberry.type(description="What became of the items of a call: good ones are in, bad ones come back.")
class IngestReport:
    """What became of the items."""

    accepted: int = _field(description="Items new or changed.")
    duplicates: int = _field(description="Items already known, which change nothing.")
    rejected: list[IngestRejection] = _field(description="Items not taken, by index.")

    @classmethod
    def of(cls, report: ingest.IngestReport) -> "IngestReport":
        """The report of a merge, its columns by the names of the schema."""
        return cls(
            accepted=report.accepted,
            duplicates=report.duplicates,
            rejected=[
                IngestRejection(
                    index=bad.index,
                    field="attributes" if bad.field.startswith("x_") else to_camel_case(bad.field),
                    code=bad.code,
                    message=_COLUMN.sub(lambda found: to_camel_case(found[0]), bad.message),
                )
                for bad in report.rejected
            ],
        )
