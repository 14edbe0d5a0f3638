"""Why an import does not begin at all."""


class ImportRefused(Exception):
    """The folder is no data set; nothing was read from it, nothing changed. `code` is stable (docs/import.md)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
