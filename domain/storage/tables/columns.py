"""What tables are made of: see `domain.storage.tables` for the conventions."""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_1_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_1_name)s_idx",
    }
)

#: Of references, words and sort keys.
C = Text(collation="C")


def instant(name: str, **options: Any) -> Column[Any]:
    """An instant with its zone; options as `Column` has them."""
    return Column(name, DateTime(timezone=True), **options)


def one_of(name: str, words: type[StrEnum], *, nullable: bool = False) -> tuple[Column[Any], CheckConstraint]:
    """A word of a closed list, and the check that it is one."""
    allowed = ", ".join(f"'{word.value}'" for word in words)
    return Column(name, C, nullable=nullable), CheckConstraint(f"{name} IN ({allowed})", name=name)


def attributes() -> Column[Any]:
    """The custom attributes of a row: `x_` names to scalars."""
    return Column("attributes", JSONB, nullable=False, server_default=text("'{}'::jsonb"))


def refers_to(parent: str, column: str) -> ForeignKeyConstraint:
    """A foreign key to a row of the same tenant, by its id."""
    return ForeignKeyConstraint(["tenant_id", column], [f"{parent}.tenant_id", f"{parent}.id"])


def tenant_table(
    name: str,
    *parts: Any,
    keyed: tuple[str, ...] = ("id",),
    fillfactor: int | None = None,
    foreign_keys: bool = True,
) -> Table:
    """A table under a tenant; with the default key it has a surrogate id, else the columns named are the key.

    fillfactor: per cent of a page that inserts fill. Rows whose derived columns are written right after find room for
    the new version beside the old one, and no index is touched: 1M communications in 4 s instead of 31. foreign_keys:
    whether each row is checked to have its tenant.
    """
    surrogate: list[Any] = (
        [Column("id", BigInteger, Identity(always=False), nullable=False)] if keyed == ("id",) else []
    )
    return Table(
        name,
        metadata,
        Column("tenant_id", Integer, nullable=False),
        *surrogate,
        *parts,
        PrimaryKeyConstraint("tenant_id", *keyed),
        *([ForeignKeyConstraint(["tenant_id"], ["tenant.id"])] if foreign_keys else []),
        postgresql_with={"fillfactor": fillfactor} if fillfactor else {},
    )
