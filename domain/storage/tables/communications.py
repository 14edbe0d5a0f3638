"""What was sent and received, and what became of it."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    Numeric,
    Text,
    UniqueConstraint,
    text,
)

from domain.storage.tables.columns import C, attributes, instant, one_of, refers_to, tenant_table
from domain.vocabulary import Channel, Direction, EventKind, Source

template = tenant_table(
    "template",
    Column("reference", C, nullable=False),
    *one_of("channel", Channel),
    Column("language", C),
    Column("tone", C),
    Column("incentive", C),
    Column("subject", Text),
    attributes(),
    UniqueConstraint("tenant_id", "reference"),
)

communication = tenant_table(
    "communication",
    Column("reference", C, nullable=False),
    Column("debtor_id", BigInteger, nullable=False),
    Column("account_id", BigInteger),
    *one_of("channel", Channel),
    *one_of("direction", Direction),
    Column("template", C),
    Column("campaign", C),
    Column("agent_id", BigInteger),
    instant("sent_at", nullable=False),
    Column("cost", Numeric),
    Column("currency", C),
    Column("propensity", Double),
    Column("decision_id", BigInteger),
    attributes(),
    # the funnel lattice: the earliest instant of each, merged from events with LEAST.
    # opened, clicked, landed and replied are a person's; a later stage proves the earlier (a landing is a click,
    # a click is an open)
    instant("delivered_at"),
    instant("bounced_hard_at"),
    instant("bounced_soft_at"),
    instant("opened_at"),
    instant("machine_opened_at"),
    instant("clicked_at"),
    instant("landed_at"),
    instant("replied_at"),
    instant("right_party_contacted_at"),
    instant("unsubscribed_at"),
    instant("complained_at"),
    # derived: the debtor and the account as they stood when it was sent, and the first attributed payment
    Column("segment_key", C, nullable=False, server_default="NONE"),
    Column("days_past_due", Integer, nullable=False, server_default="0"),
    Column("product", C),
    Column("kpi_currency", C),  # the account's, else that of the debtor's only account
    instant("converted_at"),
    refers_to("debtor", "debtor_id"),
    refers_to("account", "account_id"),
    refers_to("agent", "agent_id"),
    UniqueConstraint("tenant_id", "reference"),
    Index("communication_debtor_id_idx", "tenant_id", "debtor_id", "sent_at", "id"),
    Index("communication_sent_at_idx", "tenant_id", "sent_at", "id"),
    Index(
        "communication_decision_id_idx",
        "tenant_id",
        "decision_id",
        postgresql_where=text("decision_id IS NOT NULL"),
    ),
    fillfactor=42,
)

# No foreign key to tenant, debtor or communication: the merge resolves them in the same transaction and none is ever
# deleted without its events, while each check would add a quarter to the cost of a row in the one table that counts
# millions of rows a day.
event = tenant_table(
    "event",
    Column("reference", C, nullable=False),
    Column("debtor_id", BigInteger, nullable=False),
    Column("communication_id", BigInteger),
    *one_of("kind", EventKind),
    instant("occurred_at", nullable=False),
    *one_of("source", Source),
    # the creditor's own; else it is the communication's channel, and follows it
    Column("source_stated", Boolean, nullable=False, server_default=text("false")),
    Column("automated", Boolean, nullable=False),
    Column("detail", Text),
    attributes(),
    Index(
        "event_engagement_idx",
        "tenant_id",
        "debtor_id",
        "occurred_at",
        postgresql_where=text(
            "kind = 'RIGHT_PARTY_CONTACTED' OR kind IN ('OPENED', 'CLICKED', 'LANDED') AND NOT automated"
        ),
    ),
    Index(
        "event_refusal_idx",
        "tenant_id",
        "debtor_id",
        postgresql_where=text("kind IN ('UNSUBSCRIBED', 'COMPLAINED')"),
    ),
    Index(
        "event_traffic_idx",
        "tenant_id",
        "occurred_at",
        postgresql_where=text("kind IN ('LANDED', 'PAYMENT_STARTED', 'PAYMENT_FAILED', 'PAYMENT_ABANDONED')"),
    ),
    keyed=("reference",),
    foreign_keys=False,
)
