"""What every verb shares: one way to parse, to reach the database, to show progress and to fail."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from typer.core import TyperGroup

from api.cli import INTERRUPTED
from api.embedded.signals import STATUSES_OF_ENDINGS, cancelled_on_termination, unwind_on_termination

if TYPE_CHECKING:
    from pydantic import ValidationError

    from api.databases import DatabaseServer
    from api.settings import Settings
    from domain.storage.sessions import Database


def plainly(error: "ValidationError") -> str:
    """What is wrong with a value, as the end of a sentence that begins with its name; never the value itself, unless a
    check of ours tells it.
    """
    wrong = error.errors()[0]
    limits = wrong.get("ctx", {})
    match wrong["type"]:
        case "int_parsing" | "int_parsing_size":
            return "must be a whole number"
        case "float_parsing":
            return "must be a number"
        case "greater_than_equal":
            return f"must be at least {limits['ge']}"
        case "less_than_equal":
            return f"must be at most {limits['le']}"
        case "literal_error":
            return f"must be {limits['expected']}"
        case _:
            return wrong["msg"].removeprefix("Value error, ").removesuffix(".")


class _Verbs(TyperGroup):
    """Says what is wrong with an option in words for people: pydantic, which checks them, speaks to programmers."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            from pydantic import ValidationError

            if isinstance(error.__cause__, ValidationError):
                error.message = f"{plainly(error.__cause__)}."
            raise


app = typer.Typer(
    name="dunwell",
    cls=_Verbs,
    help="Knows when and how to contact a debtor: exact KPIs, lawful recommendations, forecasts that hold.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

#: Figures and results go to standard output, everything else (progress, warnings) to standard error.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Result = TypeVar("Result")

_CODE = re.compile("[A-Z][A-Z0-9_]+")


class CommandError(Exception):
    """What a person asked for cannot be done; `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def run(*_verbs: ModuleType) -> None:
    """Run the verb named on the command line; expected errors are one sentence with a code, exit status 1.

    What was begun is undone where it is interrupted, or told to end, or its terminal is closed.
    """
    unwind_on_termination()
    try:
        app()
    except (KeyboardInterrupt, SystemExit) as ended:
        status = INTERRUPTED if isinstance(ended, KeyboardInterrupt) else ended.code
        if status not in (INTERRUPTED, *STATUSES_OF_ENDINGS):  # Typer's own way out
            raise
        with suppress(OSError):  # a terminal that was closed takes no words
            err.print("Interrupted.")
            sys.stdout.flush()
        # A thread that learns would keep the process for minutes; its run is carried on by the next worker.
        os._exit(int(status))
    except Exception as error:
        report(error)
        sys.exit(1)


def report(error: BaseException) -> None:
    """One sentence on standard error for an error that has a code; any other is a fault of ours and shows its trace."""
    code = getattr(error, "code", None)
    if not isinstance(code, str) or not _CODE.fullmatch(code):  # libraries have codes of their own, as f405
        raise error
    err.print(f"{code}: {getattr(error, 'message', error)}", markup=False)


def instant(text: str) -> datetime:
    """An ISO 8601 instant with offset, as UTC."""
    try:
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no ISO 8601 instant; write it like 2026-03-01T09:30:00+01:00."
        ) from None
    raise typer.BadParameter(f"{text!r} has no offset; add one, as in {parsed.isoformat()}+00:00 for UTC.")


def moment(text: str) -> datetime:
    """An instant to decide or learn at, in the years of facts: what is worked out from it reaches weeks around."""
    from domain.import_format.times import FIRST_YEAR, LAST_YEAR

    parsed = instant(text)
    if not FIRST_YEAR <= parsed.year <= LAST_YEAR:
        raise typer.BadParameter(f"{text!r} lies outside the years {FIRST_YEAR} to {LAST_YEAR}.")
    return parsed


def written(text: str) -> str:
    """A text as it was typed; bytes that are no UTF-8 are halves of surrogate pairs by now, which no database takes."""
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise typer.BadParameter("it is not written in UTF-8.")
    return text


TenantOption = Annotated[
    str, typer.Option("--tenant", parser=written, metavar="KEY", help="The tenant's key.")
]
AsOfOption = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        parser=moment,
        metavar="INSTANT",
        help="Nothing later is seen, and 'now' is then. Default: now.",
    ),
]


def wait_for(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in a loop of its own; told to end before, it unwinds."""

    async def unwound() -> Result:
        with cancelled_on_termination():
            return await work

    return asyncio.run(unwound())


def settings() -> "Settings":
    """The environment, or one clear sentence about what is wrong in it.

    Raises:
        CommandError: BAD_SETTING.
    """
    from pydantic import ValidationError

    from api.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        name = "DUNWELL_" + "_".join(str(part) for part in error.errors()[0]["loc"]).upper()
        raise CommandError("BAD_SETTING", f"{name} {plainly(error)}.") from None


@contextmanager
def server() -> "Iterator[DatabaseServer]":
    """The PostgreSQL to work on: one's own, or the embedded one, started when nobody has."""
    from api.databases import database_server

    with database_server(settings()) as found:
        yield found


@asynccontextmanager
async def tenant(found: "DatabaseServer", key: str) -> "AsyncIterator[tuple[Database, int]]":
    """The app's database and the id of the tenant with this key.

    Raises:
        CommandError: TENANT_UNKNOWN.
    """
    from api.databases import open_database

    async with open_database(found) as database:
        tenant_id = await database.tenant_id(key)
        if tenant_id is None:
            raise CommandError(
                "TENANT_UNKNOWN",
                f"There is no tenant {key!r}. Make one: dunwell tenant create {key} --name NAME",
            )
        yield database, tenant_id


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[str, float], None]]:
    """A bar on standard error; the function takes (what is being done, share done 0 to 1)."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err) as bar:
        task = bar.add_task(title, total=1.0)

        def show(stage: str, share: float) -> None:
            # Short of 1 until the end: at 1 the clock would stop.
            bar.update(task, description=f"{title}: {stage}" if stage else title, completed=min(share, 0.999))

        yield show
        bar.update(task, description=title, completed=1.0)
