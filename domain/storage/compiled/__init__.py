"""Reads of stored facts as one statement that makes the whole answer: see docs/compiled-reads.md.

`statement` takes what was selected (`selection`) and answers SQL whose one value is the JSON text of an operation's
`data`, byte for byte what ordinary execution would write. What `shapes` does not know is not compiled.
"""

from domain.storage.compiled.json_text import FLAW
from domain.storage.compiled.selection import Argument, ListOf, Page, RowOf, RowsOf, Selected
from domain.storage.compiled.shapes import inline_fields, is_known
from domain.storage.compiled.statement import Statement, compile_statement

__all__ = [
    "FLAW",
    "Argument",
    "ListOf",
    "Page",
    "RowOf",
    "RowsOf",
    "Selected",
    "Statement",
    "compile_statement",
    "inline_fields",
    "is_known",
]
