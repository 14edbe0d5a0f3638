"""A data set's folder: which file holds which table, and whether its columns are known."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from stat import S_ISREG
from typing import Protocol

from api.imports.csv_table import CsvTable
from api.imports.parquet_table import ParquetTable
from api.imports.refusals import ImportRefused
from domain.import_format import ATTRIBUTE_PREFIX, FORMAT, Chunk, TableFormat

#: What we write beside the facts ourselves.
REJECTS_NAME = "rejects.csv"


class TableFile(Protocol):
    """One table's file: its columns, its size (in whatever units `chunks` tells its progress), its rows."""

    @property
    def path(self) -> Path:
        """Where it lies."""
        ...

    @property
    def columns(self) -> Sequence[str]:
        """The names of its columns, as they stand."""
        ...

    @property
    def size(self) -> int:
        """How much there is to read."""
        ...

    def chunks(self) -> Iterator[tuple[int, Chunk]]:
        """(how much of `size` is read, the rows read since)."""
        ...


_READERS: dict[str, Callable[[Path], TableFile]] = {".csv": CsvTable, ".parquet": ParquetTable}


@dataclass(frozen=True)
class DataSet:
    """The tables of a folder, all of which can begin."""

    files: dict[str, TableFile]


def open_folder(folder: Path) -> DataSet:
    """The data set in a folder, once every file and every column of it is known.

    Raises:
        ImportRefused: NOT_A_FOLDER, EMPTY_FOLDER, UNKNOWN_TABLE, TABLE_TWICE, MISSING_TABLE, UNREADABLE_FILE,
            UNKNOWN_COLUMN, COLUMN_TWICE, MISSING_COLUMN or UNSUPPORTED_TYPE.
    """
    check_folder(folder)
    paths = _paths(folder)
    if not paths:
        raise ImportRefused(
            "EMPTY_FOLDER",
            f"{folder} holds no .csv or .parquet file. Give the folder that holds debtors.csv.",
        )
    for name, table in FORMAT.items():
        if table.required_in_set and name not in paths:
            raise ImportRefused(
                "MISSING_TABLE", f"{folder} has no {name}.csv or {name}.parquet, which every data set needs."
            )
    files: dict[str, TableFile] = {}
    for name in FORMAT:
        if name in paths:
            try:
                if not S_ISREG(paths[name].stat().st_mode):  # a pipe or a device would be waited for
                    raise ImportRefused("UNREADABLE_FILE", f"{paths[name].name} is no file.")
                files[name] = _READERS[paths[name].suffix](paths[name])
            except OSError as error:
                raise ImportRefused(
                    "UNREADABLE_FILE", f"{paths[name].name} can't be read: {error.strerror}."
                ) from error
            _check_columns(FORMAT[name], paths[name].name, files[name].columns)
    return DataSet(files)


def check_folder(folder: Path) -> None:
    """See that it is one.

    Raises:
        ImportRefused: NOT_A_FOLDER.
    """
    if not folder.is_dir():
        raise ImportRefused(
            "NOT_A_FOLDER", f"{folder} is not a folder. Give the folder that holds debtors.csv."
        )


def check_beside(folder: Path, rejects: Path) -> None:
    """See that the list of bad lines is no table: it will be written over.

    Raises:
        ImportRefused: UNWRITABLE_REJECTS.
    """
    within = rejects.name != REJECTS_NAME and rejects.resolve().parent == folder.resolve()
    if within and _looks_like_a_table(rejects):
        raise ImportRefused(
            "UNWRITABLE_REJECTS",
            f"The list of bad lines can't be written to {rejects}: it would stand among the tables.",
        )


def _paths(folder: Path) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        table = path.name.partition(".")[0]
        if path.name.startswith(".") or path.name == REJECTS_NAME or not _looks_like_a_table(path):
            continue  # a note beside the facts
        if path.is_dir():
            raise ImportRefused(
                "UNKNOWN_TABLE",
                f"{path.name} is a folder. A table is one file, <name>.csv or <name>.parquet: put its parts together.",
            )
        if path.suffix not in _READERS or path.stem not in FORMAT:
            raise ImportRefused(
                "UNKNOWN_TABLE",
                f"{path.name} is no table of the import format{_suggestion(path.stem, FORMAT)}. "
                "A table is <name>.csv or <name>.parquet; move other files elsewhere.",
            )
        if table in paths:
            raise ImportRefused(
                "TABLE_TWICE", f"Both {paths[table].name} and {path.name} hold the table {table}. Keep one."
            )
        paths[table] = path
    return paths


def _looks_like_a_table(path: Path) -> bool:
    """Whether it may be meant as one: by its ending, in capitals too, or by a table's name before its first dot."""
    if path.suffix.lower() in _READERS:
        return True
    return not path.is_dir() and path.name.partition(".")[0].lower() in FORMAT


def _as_named(column: str) -> str:
    """A column that somebody spelled otherwise (`Due On`) by the name that it would have."""
    return "_".join(column.replace("-", " ").lower().split())


def _check_columns(table: TableFormat, file: str, columns: Sequence[str]) -> None:
    known = [column.name for column in table.columns if column.in_files]
    if not {_as_named(column) for column in columns} & set(
        known
    ):  # may be a person's name and address: none is told
        raise ImportRefused(
            "UNKNOWN_COLUMN",
            f"No column of {file} is one of {table.name}. Is its header row missing?",
        )
    for column in columns:
        custom = column.startswith(ATTRIBUTE_PREFIX) and len(column) > len(ATTRIBUTE_PREFIX)
        if column not in known and not custom:
            raise ImportRefused(
                "UNKNOWN_COLUMN",
                f"{file} has a column {column!r} that {table.name} has not{_suggestion(column, known)}. "
                "Remove it, or begin its name with x_ to keep it as a custom attribute.",
            )
    if len(set(columns)) < len(columns):
        twice, _ = Counter(columns).most_common(1)[0]
        raise ImportRefused("COLUMN_TWICE", f"{file} has the column {twice!r} twice. Keep one.")
    for name in known:
        if table.by_name[name].required and name not in columns:
            raise ImportRefused("MISSING_COLUMN", f"{file} has no column {name!r}, which {table.name} needs.")


def _suggestion(word: str, known: Sequence[str] | dict[str, TableFormat]) -> str:
    close = get_close_matches(word.strip().lower(), list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
