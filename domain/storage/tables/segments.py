"""Segment rules, and how many debtors each segment has."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB

from domain.storage.tables.columns import C, instant, tenant_table

segment = tenant_table(
    "segment",
    Column("position", Integer, nullable=False),
    Column("key", C, nullable=False),
    Column("name", Text, nullable=False),
    Column("rule", JSONB, nullable=False),  # a DebtorWhere, as given
    Column(
        "is_default", Boolean, nullable=False
    ),  # made by us from what was imported, replaced as products come
    instant("applied_at"),  # when all debtors and all history had been segmented by it; null: not yet
    UniqueConstraint("tenant_id", "key"),
    UniqueConstraint("tenant_id", "position"),
)

# Rules that wait to be applied to a large portfolio: a list of SegmentInput, the latest that was given. Until then
# `segment` holds the former ones.
segment_draft = tenant_table(
    "segment_draft",
    Column("rules", JSONB, nullable=False),
    instant("defined_at", nullable=False),
    keyed=(),
)

# How many debtors a segment has in a place is the sum of its rows. Triggers on `debtor` append differences, so no
# writer waits for another; `domain.storage.derived.segment_sizes` folds them.
segment_size = tenant_table(
    "segment_size",
    Column("segment_key", C, nullable=False),
    Column("time_zone", C, nullable=False),
    Column("country", C, nullable=False),
    Column("region", C),
    Column("debtors", BigInteger, nullable=False),
    Column("is_folded", Boolean, nullable=False, server_default=text("false")),
    Index("segment_size_unfolded_idx", "tenant_id", "id", postgresql_where=text("NOT is_folded")),
    foreign_keys=False,
)
