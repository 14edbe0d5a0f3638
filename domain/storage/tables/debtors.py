"""Debtors: who they are, how they stand, how they may be reached."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Numeric,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)

from domain.storage.tables.columns import C, attributes, instant, one_of, refers_to, tenant_table
from domain.vocabulary import Channel, ContactRequestKind

debtor = tenant_table(
    "debtor",
    Column("reference", C, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", C, nullable=False),  # the name without case: prefix search as an index range
    Column("email", Text),
    Column("phone", Text),
    Column("postal_address", Text),
    Column("country", C, nullable=False),
    Column("region", C),
    Column("language", C),
    Column("time_zone", C, nullable=False),
    # the creditor's own; else it is the country's, and follows it
    Column("time_zone_stated", Boolean, nullable=False, server_default=text("false")),
    Column("birth_date", Date),
    Column("customer_since", Date),
    Column("segment", C),  # the creditor's own key, as imported
    attributes(),
    # derived
    Column("segment_key", C, nullable=False, server_default="NONE"),
    Column("oldest_due_on", Date),  # of the open accounts that owe; null: nothing is owed
    instant("last_contacted_at"),
    instant("state_until"),  # when time alone will next change a derived column; null: never
    UniqueConstraint("tenant_id", "reference"),
    Index("debtor_name_key_idx", "tenant_id", "name_key", "id"),
    Index("debtor_segment_key_idx", "tenant_id", "segment_key", "id"),
    Index("debtor_country_idx", "tenant_id", "country", "id"),
    Index("debtor_oldest_due_on_idx", "tenant_id", "oldest_due_on", "id"),
    Index("debtor_last_contacted_at_idx", "tenant_id", "last_contacted_at", "id"),
    Index(
        "debtor_state_until_idx", "tenant_id", "state_until", postgresql_where=text("state_until IS NOT NULL")
    ),
)

# derived: a debtor's open balance, one row per currency it has an open account in
debtor_balance = tenant_table(
    "debtor_balance",
    Column("debtor_id", BigInteger, nullable=False),
    Column("currency", C, nullable=False),
    Column("balance", Numeric, nullable=False),
    Column("balance_e4", BigInteger, nullable=False),
    refers_to("debtor", "debtor_id"),
    Index("debtor_balance_currency_idx", "tenant_id", "currency", "balance_e4", "debtor_id"),
    keyed=("debtor_id", "currency"),
)

contact_point = tenant_table(
    "contact_point",
    Column("debtor_id", BigInteger, nullable=False),
    *one_of("channel", Channel),
    Column("address", C, nullable=False),
    instant("verified_at"),
    instant("consented_at"),
    instant("opted_out_at"),
    attributes(),
    refers_to("debtor", "debtor_id"),
    keyed=("debtor_id", "channel", "address"),
)

contact_request = tenant_table(
    "contact_request",
    Column("reference", C, nullable=False),
    Column("debtor_id", BigInteger, nullable=False),
    *one_of("kind", ContactRequestKind),
    *one_of("channel", Channel, nullable=True),
    Column("from_hour", SmallInteger),
    Column("to_hour", SmallInteger),
    instant("until"),
    instant("made_at", nullable=False),
    attributes(),
    refers_to("debtor", "debtor_id"),
    UniqueConstraint("tenant_id", "reference"),
    Index("contact_request_debtor_id_idx", "tenant_id", "debtor_id"),
)
