"""The format in which facts come in, from files and from the API alike: tables, columns, and what makes a row good."""

from domain.import_format.plain import TextCells, read_plain, text_of
from domain.import_format.rows import Chunk, Rows, Unreadable, fingerprint, given_mask, read_rows
from domain.import_format.tables import ATTRIBUTE_PREFIX, FORMAT, Column, TableFormat

__all__ = [
    "ATTRIBUTE_PREFIX",
    "FORMAT",
    "Chunk",
    "Column",
    "Rows",
    "TableFormat",
    "TextCells",
    "Unreadable",
    "fingerprint",
    "given_mask",
    "read_plain",
    "read_rows",
    "text_of",
]
