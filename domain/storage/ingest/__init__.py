"""How facts get into the database: one merge path for data sets, mutations and webhooks."""

from domain.storage.ingest.merge import IngestContention, merge
from domain.storage.ingest.report import MergeReport, Progress, Rejection, TableReport

__all__ = ["IngestContention", "MergeReport", "Progress", "Rejection", "TableReport", "merge"]
