"""What is owed, paid and promised, who collects it, and the creditor's books."""

from sqlalchemy import BigInteger, Column, Date, Index, Numeric, Text, UniqueConstraint, text

from domain.storage.tables.columns import C, attributes, instant, one_of, refers_to, tenant_table
from domain.vocabulary import Direction

agent = tenant_table(
    "agent",
    Column("reference", C, nullable=False),
    Column("name", Text, nullable=False),
    Column("team", C),
    Column("active_from", Date, nullable=False),
    Column("active_to", Date),
    attributes(),
    UniqueConstraint("tenant_id", "reference"),
)

account = tenant_table(
    "account",
    Column("reference", C, nullable=False),
    Column("debtor_id", BigInteger, nullable=False),
    Column("product", C, nullable=False),
    Column("currency", C, nullable=False),
    Column("principal", Numeric, nullable=False),
    Column("opened_on", Date, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("closed_on", Date),
    Column("agent_id", BigInteger),
    attributes(),
    # derived: principal less unreversed payments, never below 0, as of the debtor's last derivation
    Column("balance", Numeric, nullable=False, server_default="0"),
    refers_to("debtor", "debtor_id"),
    refers_to("agent", "agent_id"),
    UniqueConstraint("tenant_id", "reference"),
    Index("account_debtor_id_idx", "tenant_id", "debtor_id"),
    Index("account_agent_id_idx", "tenant_id", "agent_id"),
    Index("account_product_idx", "tenant_id", "product", "currency"),
    fillfactor=50,
)

payment = tenant_table(
    "payment",
    Column("reference", C, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column(
        "debtor_id", BigInteger, nullable=False
    ),  # the account's, repeated: lists and attribution go by debtor
    Column("amount", Numeric, nullable=False),
    Column("currency", C, nullable=False),
    instant("paid_at", nullable=False),
    Column("communication_id", BigInteger),  # the cause, where the creditor knows it
    Column("method", C),
    instant("reversed_at"),
    attributes(),
    # derived: the communication it is attributed to (kpis.md, Attribution), its own cause included
    Column("attributed_to", BigInteger),
    refers_to("account", "account_id"),
    refers_to("debtor", "debtor_id"),
    refers_to("communication", "communication_id"),
    UniqueConstraint("tenant_id", "reference"),
    Index("payment_account_id_idx", "tenant_id", "account_id", "paid_at"),
    Index("payment_debtor_id_idx", "tenant_id", "debtor_id", "paid_at", "id"),
    Index("payment_paid_at_idx", "tenant_id", "paid_at"),
    Index(
        "payment_attributed_to_idx",
        "tenant_id",
        "attributed_to",
        postgresql_where=text("attributed_to IS NOT NULL"),
    ),
)

promise = tenant_table(
    "promise",
    Column("reference", C, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("debtor_id", BigInteger, nullable=False),
    Column("amount", Numeric, nullable=False),
    Column("currency", C, nullable=False),
    instant("promised_at", nullable=False),
    Column("due_on", Date, nullable=False),
    *one_of("direction", Direction),
    Column("agent_id", BigInteger),
    Column("communication_id", BigInteger),
    attributes(),
    # derived: pending until kept_at, else broken from its deadline on
    instant("deadline"),
    instant("kept_at"),
    Column("filled", Numeric, nullable=False, server_default="0"),
    refers_to("account", "account_id"),
    refers_to("debtor", "debtor_id"),
    refers_to("agent", "agent_id"),
    refers_to("communication", "communication_id"),
    UniqueConstraint("tenant_id", "reference"),
    Index("promise_account_id_idx", "tenant_id", "account_id"),
    Index("promise_debtor_id_idx", "tenant_id", "debtor_id", "promised_at", "id"),
    Index("promise_promised_at_idx", "tenant_id", "promised_at", "id"),
    Index("promise_due_on_idx", "tenant_id", "due_on", "id"),
    fillfactor=50,
)

exchange_rate = tenant_table(
    "exchange_rate",
    Column("date", Date, nullable=False),
    Column("currency", C, nullable=False),
    Column("rate", Numeric, nullable=False),
    attributes(),
    keyed=("date", "currency"),
)

finance = tenant_table(
    "finance",
    Column("month", Date, nullable=False),  # its first day
    Column("currency", C, nullable=False),
    Column("credit_sales", Numeric),
    Column("receivables", Numeric),
    Column("revenue", Numeric),
    Column("operating_cost", Numeric),
    attributes(),
    keyed=("month", "currency"),
)
