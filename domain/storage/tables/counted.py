"""Message KPIs counted ahead, by UTC day of sending.

A day's rows are a function of the facts, written by `domain.storage.rollups` only; its `blocks` says what the bytes
are. `dirty_day` and `kpi_change` are appended to by whoever changes facts, in the same transaction, so no writer
waits for another.
"""

from typing import Any

from sqlalchemy import BigInteger, Column, Date, Identity, Index, Integer, LargeBinary, Text, Uuid, text

from domain.storage.tables.columns import C, instant, tenant_table


def _bytes(*names: str) -> list[Column[Any]]:
    return [Column(name, LargeBinary, nullable=False) for name in names]


# The messages of a day, column by column: right for every instant of knowledge from its last fact on, while no
# `dirty_day` has it.
message_day = tenant_table(
    "message_day",
    Column("day", Date, nullable=False),
    Column(
        "version", Uuid, nullable=False, server_default=text("gen_random_uuid()")
    ),  # another whenever counted
    instant("last_fact_at", nullable=False),
    Column("messages", Integer, nullable=False),
    Column("words", Text, nullable=False),
    *_bytes("channel", "dpd_bucket", "segment", "product", "country", "currency", "agent", "weekday", "hour"),
    *_bytes("template", "campaign", "days_past_due", "outcome", "cost", "paid"),
    *_bytes("sent_to_open", "open_to_pay", "sent_to_pay"),
    keyed=("day",),
    foreign_keys=False,
)

# The same by groups of some dimensions.
message_rollup = tenant_table(
    "message_rollup",
    Column("rollup", C, nullable=False),
    Column("day", Date, nullable=False),
    Column("groups", Integer, nullable=False),
    Column("words", Text, nullable=False),
    *_bytes("keys", "counts", "cost", "collected", "reactions", "bands"),
    keyed=("rollup", "day"),
    foreign_keys=False,
)

dirty_day = tenant_table(
    "dirty_day",
    Column("day", Date, nullable=False),
    Column("id", BigInteger, Identity(), nullable=False),
    keyed=("day", "id"),
    foreign_keys=False,
)

# What a transaction changed, for those who watch KPIs.
kpi_change = tenant_table(
    "kpi_change",
    Column("transaction", BigInteger, nullable=False),  # its id, which a snapshot can tell to have committed
    instant("changed_at", nullable=False, server_default=text("now()")),
    Column("first_day", Date),  # of the days of messages whose outcome changed
    Column("last_day", Date),
    Column("facts_from", Date),  # the day of the earliest other fact that changed
    Index("kpi_change_transaction_idx", "tenant_id", "transaction"),
    foreign_keys=False,
)
