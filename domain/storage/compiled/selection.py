"""What an operation selects, free of GraphQL's syntax: fields of types, and the arguments of those that take some."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from domain.debtor_where import DebtorWhere
from domain.list_where import CommunicationWhere, PromiseWhere
from domain.storage.reads.debtors import DebtorOrder
from domain.storage.reads.paging import Position

Where = TypeVar("Where", DebtorWhere, CommunicationWhere, PromiseWhere)


@dataclass(frozen=True, slots=True)
class Selected:
    """A field. key: its name in the answer; kind: the type of the object it answers, "" for a plain value.

    argument: where its arguments stand among those of the operation; None when it takes none.
    """

    key: str
    name: str
    kind: str = ""
    fields: tuple["Selected", ...] = ()
    argument: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list. cursor: what every cursor of it begins with, JSON's closing bracket left open."""

    first: int
    cursor: str
    position: Position | None

    def shape(self) -> object:
        """What of it the text of a statement depends on."""
        return self.first, self.position and tuple(value is None for value in self.position)


@dataclass(frozen=True, slots=True)
class ListOf(Generic[Where]):
    """A list of the tenant's things. order, ordered_at (the instant whose days past due sort): of debtors."""

    page: Page
    where: Where | None
    order: Sequence[DebtorOrder] = ()
    ordered_at: datetime | None = None

    def shape(self) -> object:
        """What of it the text of a statement depends on: of a condition, its values too."""
        return self.page.shape(), tuple(self.order), self.where


@dataclass(frozen=True, slots=True)
class RowOf:
    """One thing of the tenant's, by its number or its reference."""

    kind: str
    by: str
    value: int | str

    def shape(self) -> object:
        """What of it the text of a statement depends on."""
        return self.kind, self.by


@dataclass(frozen=True, slots=True)
class RowsOf:
    """Things of the tenant's by number, each of its own kind, in the order asked for."""

    kinds: tuple[str, ...]
    numbers: tuple[int, ...]

    def shape(self) -> object:
        """What of it the text of a statement depends on."""
        return frozenset(self.kinds)


Argument = Page | ListOf[DebtorWhere] | ListOf[CommunicationWhere] | ListOf[PromiseWhere] | RowOf | RowsOf
