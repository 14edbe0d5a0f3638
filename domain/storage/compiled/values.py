"""The values of a statement: constants, and slots that are filled when it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql import asyncpg

from domain.storage.compiled.selection import Argument

#: The first two values of every statement.
TENANT, NOW = "$1", "$2"

# With values as `%(name)s`, to be numbered among those of the statement around.
_DIALECT: Dialect = asyncpg.dialect(paramstyle="pyformat")  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Slot:
    """A value that a statement gets when it runs: a path inside one of its arguments, or inside the run itself."""

    argument: int | None
    path: str
    index: int | None = None

    def value(self, run: "Run") -> Any:
        """The value for one run."""
        found = attrgetter(self.path)(run if self.argument is None else run.arguments[self.argument])
        return found if self.index is None else found[self.index]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a statement."""

    tenant_id: int
    now: datetime
    arguments: Sequence[Argument]


#: They stand for the tenant's id and the instant while a statement is made.
TENANT_ID: Any = Slot(None, "tenant_id")
AT: Any = Slot(None, "now")


class Values:
    """Collects the values of a statement while its text is written. now: the instant that stands for that of a run."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.found: list[Any] = [TENANT_ID, AT]

    def bind(self, value: Any) -> str:
        """The parameter that a value gets."""
        if value is self._now:
            return NOW
        if isinstance(value, Slot) and value in self.found:
            return f"${self.found.index(value) + 1}"
        self.found.append(value)
        return f"${len(self.found)}"

    def text_of(self, clause: Any) -> str:
        """A clause of SQLAlchemy's as text, its values among those of the statement."""
        compiled = clause.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        state = compiled.construct_expanded_state(escape_names=False)
        numbered = {name: self.bind(value) for name, value in state.parameters.items()}
        text: str = state.statement % numbered
        return text
