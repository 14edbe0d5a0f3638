"""How facts get into the database: one merge path for data sets, mutations and webhooks."""

from domain.storage.ingest.items import IngestReport, ItemRejection, ingest_items
from domain.storage.ingest.merge import IngestContention, merge
from domain.storage.ingest.report import MergeReport, Progress, Rejection, TableReport

__all__ = [
    "IngestContention",
    "IngestReport",
    "ItemRejection",
    "MergeReport",
    "Progress",
    "Rejection",
    "TableReport",
    "ingest_items",
    "merge",
]
