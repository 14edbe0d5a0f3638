"""Data sets from files: CSV and Parquet read, merged, and what was refused listed."""

from api.imports.refusals import ImportRefused
from api.imports.use_case import ImportReport, begin_rejects, import_folder

__all__ = ["ImportRefused", "ImportReport", "begin_rejects", "import_folder"]
