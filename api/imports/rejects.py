"""The list of bad lines: a CSV file that is either whole or empty."""

import csv
import os
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from api.imports.refusals import ImportRefused

_HEADER = ("file", "line", "column", "code", "reason")


class RejectsList:
    """Begins the list anew, so that none of an earlier run stands there. Once it cannot be written on, it is emptied:
    half a list would pass for a whole one.
    """

    def __init__(self, path: Path) -> None:
        """Raises ImportRefused: UNWRITABLE_REJECTS."""
        self._path = path
        #: Why it is not written; None while it is.
        self.failure: str | None = None
        try:
            self._file = path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            self._refuse(error)
        self._writer = csv.writer(self._file)
        try:
            self._writer.writerow(_HEADER)
            self._file.flush()
        except OSError as error:
            self._give_up(error)
            self._refuse(error)

    def add(self, file: str, line: int, column: str, code: str, reason: str) -> None:
        """One more line."""
        if self.failure is None:
            try:
                self._writer.writerow((file, line, column, code, reason))
            except OSError as error:
                self._give_up(error)

    def close(self) -> None:
        """Write what is not written yet. May be repeated."""
        if self.failure is None:
            try:
                self._file.close()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.failure = error.strerror or type(error).__name__
        with suppress(OSError):
            self._file.close()  # tries to write once more
        with suppress(OSError):  # a device or a pipe cannot be emptied
            os.truncate(self._path, 0)

    def _refuse(self, error: OSError) -> NoReturn:
        raise ImportRefused(
            "UNWRITABLE_REJECTS",
            f"The list of bad lines can't be written to {self._path}: {error.strerror}.",
        ) from error
