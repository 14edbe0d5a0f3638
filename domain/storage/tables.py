"""Every table of the product, in one metadata: what migrations create and statements are built from.

Conventions:

- Every tenant table is keyed `(tenant_id, id)` (events by the provider's own reference), so the key is also the
  distribution column; foreign keys carry the tenant too, which makes a cross-tenant reference impossible.
- Row-level security is forced on all of them by the migrations; see `domain.storage.sessions`.
- Words are text with a CHECK, not PostgreSQL enums: text equality is leakproof, so row-level security keeps indexes.
- References and sort keys are collated "C" for the same reason (range scans stay on the index).
- Money is numeric (exact); what lists filter or sort by also stands as bigint ten-thousandths (`*_e4`).
- A column under `# derived` is a function of the facts, written by `domain.storage.derived` only.
- What time alone changes (days past due, a promise breaking) is stored as its cause and computed when read.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from domain.audit import AuditOutcome
from domain.vocabulary import (
    Arm,
    CampaignStatus,
    Channel,
    ContactRequestKind,
    Direction,
    EventKind,
    ModelStatus,
    Role,
    RunStatus,
    Source,
)

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "uq": "%(table_name)s_%(column_1_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_1_name)s_idx",
    }
)

_C = Text(collation="C")


def _instant(name: str, **options: Any) -> Column[Any]:
    return Column(name, DateTime(timezone=True), **options)


def _words(name: str, words: type[StrEnum], *, nullable: bool = False) -> tuple[Column[Any], CheckConstraint]:
    allowed = ", ".join(f"'{word.value}'" for word in words)
    return Column(name, _C, nullable=nullable), CheckConstraint(f"{name} IN ({allowed})", name=name)


def _attributes() -> Column[Any]:
    return Column("attributes", JSONB, nullable=False, server_default=text("'{}'::jsonb"))


def _to(parent: str, column: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", column], [f"{parent}.tenant_id", f"{parent}.id"])


def _tenant_table(
    name: str,
    *parts: Any,
    keyed: tuple[str, ...] = ("id",),
    fillfactor: int | None = None,
    foreign_keys: bool = True,
) -> Table:
    """A table under a tenant; with the default key it has a surrogate id, else the columns named are the key.

    fillfactor: per cent of a page that inserts fill. Rows whose derived columns are written right after find room for
    the new version beside the old one, and no index is touched: 1M communications in 4 s instead of 31. foreign_keys:
    whether each row is checked to have its tenant.
    """
    surrogate: list[Any] = (
        [Column("id", BigInteger, Identity(always=False), nullable=False)] if keyed == ("id",) else []
    )
    return Table(
        name,
        metadata,
        Column("tenant_id", Integer, nullable=False),
        *surrogate,
        *parts,
        PrimaryKeyConstraint("tenant_id", *keyed),
        *([ForeignKeyConstraint(["tenant_id"], ["tenant.id"])] if foreign_keys else []),
        postgresql_with={"fillfactor": fillfactor} if fillfactor else {},
    )


tenant = Table(
    "tenant",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("key", _C, nullable=False),
    Column("name", Text, nullable=False),
    Column("currency", _C, nullable=False),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    _instant("created_at", nullable=False, server_default=text("now()")),
    UniqueConstraint("key", name="tenant_key_key"),
)

api_key = _tenant_table(
    "api_key",
    *_words("role", Role),
    Column("secret_sha256", LargeBinary, nullable=False),
    Column("label", Text, nullable=False, server_default=""),
    Column("reads_personal_data", Boolean, nullable=False, server_default=text("true")),
    _instant("created_at", nullable=False, server_default=text("now()")),
    _instant("expires_at"),
    _instant("revoked_at"),
    UniqueConstraint("tenant_id", "secret_sha256"),
)

# Who did what. The app's role may add entries and read them; it may change and delete none.
audit_entry = _tenant_table(
    "audit_entry",
    _instant("at", nullable=False),
    *_words("role", Role, nullable=True),  # null: a command
    Column("key_id", BigInteger),  # no foreign key: an entry outlives what it speaks of
    Column("subject", _C),  # of a bearer token
    Column("action", _C, nullable=False),
    Column("nodes", ARRAY(_C), nullable=False),  # Type:number
    Column("counts", JSONB, nullable=False),
    *_words("outcome", AuditOutcome),
    Column("code", _C),
    Index("audit_entry_at_idx", "tenant_id", "at", "id"),
    Index("audit_entry_action_idx", "tenant_id", "action", "at", "id"),
)

# Documents that clients may name by the hash of their text; never changed.
trusted_document = _tenant_table(
    "trusted_document",
    Column("sha256", LargeBinary, nullable=False),
    Column("text", Text, nullable=False),
    _instant("added_at", nullable=False),
    keyed=("sha256",),
)

# ---------- facts ----------

agent = _tenant_table(
    "agent",
    Column("reference", _C, nullable=False),
    Column("name", Text, nullable=False),
    Column("team", _C),
    Column("active_from", Date, nullable=False),
    Column("active_to", Date),
    _attributes(),
    UniqueConstraint("tenant_id", "reference"),
)

debtor = _tenant_table(
    "debtor",
    Column("reference", _C, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", _C, nullable=False),  # the name in lower case: prefix search as an index range
    Column("email", Text),
    Column("phone", Text),
    Column("postal_address", Text),
    Column("country", _C, nullable=False),
    Column("region", _C),
    Column("language", _C),
    Column("time_zone", _C, nullable=False),
    # the creditor's own; else it is the country's, and follows it
    Column("time_zone_stated", Boolean, nullable=False, server_default=text("false")),
    Column("birth_date", Date),
    Column("customer_since", Date),
    Column("segment", _C),  # the creditor's own key, as imported
    _attributes(),
    # derived
    Column("segment_key", _C, nullable=False, server_default="NONE"),
    Column("oldest_due_on", Date),  # of the open accounts that owe; null: nothing is owed
    _instant("last_contacted_at"),
    _instant("state_until"),  # when time alone will next change a derived column; null: never
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

# How many debtors a segment has in a place is the sum of its rows. Triggers on `debtor` append differences, so no
# writer waits for another; `domain.storage.derived.segment_sizes` folds them.
segment_size = _tenant_table(
    "segment_size",
    Column("segment_key", _C, nullable=False),
    Column("time_zone", _C, nullable=False),
    Column("country", _C, nullable=False),
    Column("region", _C),
    Column("debtors", BigInteger, nullable=False),
    Column("is_folded", Boolean, nullable=False, server_default=text("false")),
    Index("segment_size_unfolded_idx", "tenant_id", "id", postgresql_where=text("NOT is_folded")),
    foreign_keys=False,
)

# derived: a debtor's open balance, one row per currency it has an open account in
debtor_balance = _tenant_table(
    "debtor_balance",
    Column("debtor_id", BigInteger, nullable=False),
    Column("currency", _C, nullable=False),
    Column("balance", Numeric, nullable=False),
    Column("balance_e4", BigInteger, nullable=False),
    _to("debtor", "debtor_id"),
    Index("debtor_balance_currency_idx", "tenant_id", "currency", "balance_e4", "debtor_id"),
    keyed=("debtor_id", "currency"),
)

account = _tenant_table(
    "account",
    Column("reference", _C, nullable=False),
    Column("debtor_id", BigInteger, nullable=False),
    Column("product", _C, nullable=False),
    Column("currency", _C, nullable=False),
    Column("principal", Numeric, nullable=False),
    Column("opened_on", Date, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("closed_on", Date),
    Column("agent_id", BigInteger),
    _attributes(),
    # derived: principal less unreversed payments, never below 0, as of the debtor's last derivation
    Column("balance", Numeric, nullable=False, server_default="0"),
    _to("debtor", "debtor_id"),
    _to("agent", "agent_id"),
    UniqueConstraint("tenant_id", "reference"),
    Index("account_debtor_id_idx", "tenant_id", "debtor_id"),
    Index("account_agent_id_idx", "tenant_id", "agent_id"),
    Index("account_product_idx", "tenant_id", "product", "currency"),
    fillfactor=50,
)

communication = _tenant_table(
    "communication",
    Column("reference", _C, nullable=False),
    Column("debtor_id", BigInteger, nullable=False),
    Column("account_id", BigInteger),
    *_words("channel", Channel),
    *_words("direction", Direction),
    Column("template", _C),
    Column("campaign", _C),
    Column("agent_id", BigInteger),
    _instant("sent_at", nullable=False),
    Column("cost", Numeric),
    Column("currency", _C),
    Column("propensity", Double),
    Column("decision_id", BigInteger),
    _attributes(),
    # the funnel lattice: the earliest instant of each, merged from events with LEAST.
    # opened, clicked, landed and replied are a person's; a later stage proves the earlier (a landing is a click,
    # a click is an open)
    _instant("delivered_at"),
    _instant("bounced_hard_at"),
    _instant("bounced_soft_at"),
    _instant("opened_at"),
    _instant("machine_opened_at"),
    _instant("clicked_at"),
    _instant("landed_at"),
    _instant("replied_at"),
    _instant("right_party_contacted_at"),
    _instant("unsubscribed_at"),
    _instant("complained_at"),
    # derived: the debtor and the account as they stood when it was sent, and the first attributed payment
    Column("segment_key", _C, nullable=False, server_default="NONE"),
    Column("days_past_due", Integer, nullable=False, server_default="0"),
    Column("product", _C),
    Column("kpi_currency", _C),  # the account's, else that of the debtor's only account
    _instant("converted_at"),
    _to("debtor", "debtor_id"),
    _to("account", "account_id"),
    _to("agent", "agent_id"),
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
event = _tenant_table(
    "event",
    Column("reference", _C, nullable=False),
    Column("debtor_id", BigInteger, nullable=False),
    Column("communication_id", BigInteger),
    *_words("kind", EventKind),
    _instant("occurred_at", nullable=False),
    *_words("source", Source),
    # the creditor's own; else it is the communication's channel, and follows it
    Column("source_stated", Boolean, nullable=False, server_default=text("false")),
    Column("automated", Boolean, nullable=False),
    Column("detail", Text),
    _attributes(),
    Index(
        "event_engagement_idx",
        "tenant_id",
        "debtor_id",
        "occurred_at",
        postgresql_where=text(
            "kind = 'RIGHT_PARTY_CONTACTED' OR kind IN ('OPENED', 'CLICKED', 'LANDED') AND NOT automated"
        ),
    ),
    Index("event_unsubscribed_idx", "tenant_id", "debtor_id", postgresql_where=text("kind = 'UNSUBSCRIBED'")),
    Index(
        "event_traffic_idx",
        "tenant_id",
        "occurred_at",
        postgresql_where=text("kind IN ('LANDED', 'PAYMENT_STARTED', 'PAYMENT_FAILED', 'PAYMENT_ABANDONED')"),
    ),
    keyed=("reference",),
    foreign_keys=False,
)

payment = _tenant_table(
    "payment",
    Column("reference", _C, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column(
        "debtor_id", BigInteger, nullable=False
    ),  # the account's, repeated: lists and attribution go by debtor
    Column("amount", Numeric, nullable=False),
    Column("currency", _C, nullable=False),
    _instant("paid_at", nullable=False),
    Column("communication_id", BigInteger),  # the cause, where the creditor knows it
    Column("method", _C),
    _instant("reversed_at"),
    _attributes(),
    # derived: the communication it is attributed to (kpis.md, Attribution), its own cause included
    Column("attributed_to", BigInteger),
    _to("account", "account_id"),
    _to("debtor", "debtor_id"),
    _to("communication", "communication_id"),
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

promise = _tenant_table(
    "promise",
    Column("reference", _C, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("debtor_id", BigInteger, nullable=False),
    Column("amount", Numeric, nullable=False),
    Column("currency", _C, nullable=False),
    _instant("promised_at", nullable=False),
    Column("due_on", Date, nullable=False),
    *_words("direction", Direction),
    Column("agent_id", BigInteger),
    Column("communication_id", BigInteger),
    _attributes(),
    # derived: pending until kept_at, else broken from its deadline on
    _instant("deadline"),
    _instant("kept_at"),
    Column("filled", Numeric, nullable=False, server_default="0"),
    _to("account", "account_id"),
    _to("debtor", "debtor_id"),
    _to("agent", "agent_id"),
    _to("communication", "communication_id"),
    UniqueConstraint("tenant_id", "reference"),
    Index("promise_account_id_idx", "tenant_id", "account_id"),
    Index("promise_debtor_id_idx", "tenant_id", "debtor_id", "promised_at", "id"),
    Index("promise_promised_at_idx", "tenant_id", "promised_at", "id"),
    Index("promise_due_on_idx", "tenant_id", "due_on", "id"),
    fillfactor=50,
)

contact_point = _tenant_table(
    "contact_point",
    Column("debtor_id", BigInteger, nullable=False),
    *_words("channel", Channel),
    Column("address", _C, nullable=False),
    _instant("verified_at"),
    _instant("consented_at"),
    _instant("opted_out_at"),
    _attributes(),
    _to("debtor", "debtor_id"),
    keyed=("debtor_id", "channel", "address"),
)

contact_request = _tenant_table(
    "contact_request",
    Column("reference", _C, nullable=False),
    Column("debtor_id", BigInteger, nullable=False),
    *_words("kind", ContactRequestKind),
    *_words("channel", Channel, nullable=True),
    Column("from_hour", SmallInteger),
    Column("to_hour", SmallInteger),
    _instant("until"),
    _instant("made_at", nullable=False),
    _attributes(),
    _to("debtor", "debtor_id"),
    UniqueConstraint("tenant_id", "reference"),
    Index("contact_request_debtor_id_idx", "tenant_id", "debtor_id"),
)

template = _tenant_table(
    "template",
    Column("reference", _C, nullable=False),
    *_words("channel", Channel),
    Column("language", _C),
    Column("tone", _C),
    Column("incentive", _C),
    Column("subject", Text),
    _attributes(),
    UniqueConstraint("tenant_id", "reference"),
)

exchange_rate = _tenant_table(
    "exchange_rate",
    Column("date", Date, nullable=False),
    Column("currency", _C, nullable=False),
    Column("rate", Numeric, nullable=False),
    _attributes(),
    keyed=("date", "currency"),
)

finance = _tenant_table(
    "finance",
    Column("month", Date, nullable=False),  # its first day
    Column("currency", _C, nullable=False),
    Column("credit_sales", Numeric),
    Column("receivables", Numeric),
    Column("revenue", Numeric),
    Column("operating_cost", Numeric),
    _attributes(),
    keyed=("month", "currency"),
)

# ---------- segments, models, decisions ----------

# Rules that wait to be applied to a large portfolio: a list of SegmentInput, the latest that was given. Until then
# `segment` holds the former ones.
segment_draft = _tenant_table(
    "segment_draft",
    Column("rules", JSONB, nullable=False),
    _instant("defined_at", nullable=False),
    keyed=(),
)

segment = _tenant_table(
    "segment",
    Column("position", Integer, nullable=False),
    Column("key", _C, nullable=False),
    Column("name", Text, nullable=False),
    Column("rule", JSONB, nullable=False),  # a DebtorWhere, as given
    Column(
        "is_default", Boolean, nullable=False
    ),  # made by us from what was imported, replaced as products come
    _instant("applied_at"),  # when all debtors and all history had been segmented by it; null: not yet
    UniqueConstraint("tenant_id", "key"),
    UniqueConstraint("tenant_id", "position"),
)

model_version = _tenant_table(
    "model_version",
    Column("version", Integer, nullable=False),
    *_words("status", ModelStatus),
    Column("recipe", _C, nullable=False),
    _instant("trained_at", nullable=False),
    _instant("data_from", nullable=False),
    _instant("data_to", nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("metrics", JSONB, nullable=False),
    Column("gate", JSONB, nullable=False),
    Column("manifest", JSONB, nullable=False),
    Column("artefact", LargeBinary, nullable=False),
    _instant("promoted_at"),
    Column("backtest", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("drift", JSONB),  # how its kept forecasts have done; null: none could be judged yet
    UniqueConstraint("tenant_id", "version"),
    Index(
        "model_version_champion_idx", "tenant_id", unique=True, postgresql_where=text("status = 'CHAMPION'")
    ),
)

# What was forecast on a day (`made_on`, the first day ahead) in total, as sent lately; `actual` once it is settled.
kept_forecast = _tenant_table(
    "kept_forecast",
    Column("made_on", Date, nullable=False),
    Column("kpi", _C, nullable=False),
    Column("currency", _C, nullable=False),  # empty: not per currency
    Column("day", Date, nullable=False),
    Column("model_version_id", BigInteger, nullable=False),
    *(Column(name, Double, nullable=False) for name in ("p05", "p50", "p95")),
    Column("actual", Double),
    _to("model_version", "model_version_id"),
    Index("kept_forecast_open_idx", "tenant_id", "day", postgresql_where=text("actual IS NULL")),
    Index("kept_forecast_model_version_id_idx", "tenant_id", "model_version_id", "day"),
    keyed=("made_on", "kpi", "currency", "day"),
)

training_run = _tenant_table(
    "training_run",
    *_words("status", RunStatus),
    Column("stage", Text, nullable=False),
    Column("progress", Double, nullable=False, server_default="0"),
    _instant("as_of", nullable=False),
    Column("promote", _C, nullable=False),
    _instant("requested_at", nullable=False),
    _instant("started_at"),
    _instant("finished_at"),
    Column("error_code", _C),
    Column("error_message", Text),
    Column("model_version_id", BigInteger),
    _to("model_version", "model_version_id"),
    Index(
        "training_run_live_idx",
        "tenant_id",
        unique=True,
        postgresql_where=text("status IN ('QUEUED', 'RUNNING')"),
    ),
)

campaign = _tenant_table(
    "campaign",
    Column("name", Text, nullable=False),
    *_words(
        "status", CampaignStatus
    ),  # CANCELLED is kept; whether it runs follows from its window and the clock
    Column("request", JSONB, nullable=False),  # the PlanCampaignInput, as given
    Column("blocked_count", Integer, nullable=False),
    Column("expected", JSONB, nullable=False),
    Column("model_version_id", BigInteger),
    _instant("planned_at", nullable=False),
    _instant("starts_at", nullable=False),
    _instant("ends_at", nullable=False),
    Column("planned_count", Integer, nullable=False),
    Column("held_out_count", Integer, nullable=False),
    Column("by_channel", JSONB, nullable=False),  # channel → contacts planned
    _to("model_version", "model_version_id"),
)

decision = _tenant_table(
    "decision",
    Column("debtor_id", BigInteger, nullable=False),
    _instant("decided_at", nullable=False),
    Column("action", JSONB),  # null: leave alone
    Column("propensity", Double, nullable=False),
    Column("explored", Boolean, nullable=False),
    *_words("arm", Arm),
    Column("eligible", ARRAY(_C), nullable=False),  # channel:hours-of-week (EMAIL:8-20), what was chosen from
    Column("blocked_by", JSONB, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("model_version_id", BigInteger),
    Column("rules_version", _C, nullable=False),
    Column("policy", _C, nullable=False, server_default="RECOMMENDED@1"),
    Column("reasons", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("campaign_id", BigInteger),
    _to("debtor", "debtor_id"),
    _to("model_version", "model_version_id"),
    _to("campaign", "campaign_id"),
    Index("decision_debtor_id_idx", "tenant_id", "debtor_id", "decided_at"),
    Index(
        "decision_campaign_id_idx",
        "tenant_id",
        "campaign_id",
        "id",
        postgresql_where=text("campaign_id IS NOT NULL"),
    ),
)

# ---------- message KPIs counted ahead, by UTC day of sending ----------
# A day's rows are a function of the facts, written by `domain.storage.rollups` only; its `blocks` says what the bytes
# are. `dirty_day` and `kpi_change` are appended to by whoever changes facts, in the same transaction, so no writer
# waits for another.


def _bytes(*names: str) -> list[Column[Any]]:
    return [Column(name, LargeBinary, nullable=False) for name in names]


# The messages of a day, column by column: right for every instant of knowledge from its last fact on, while no
# `dirty_day` has it.
message_day = _tenant_table(
    "message_day",
    Column("day", Date, nullable=False),
    Column(
        "version", Uuid, nullable=False, server_default=text("gen_random_uuid()")
    ),  # another whenever counted
    _instant("last_fact_at", nullable=False),
    Column("messages", Integer, nullable=False),
    Column("words", Text, nullable=False),
    *_bytes("channel", "dpd_bucket", "segment", "product", "country", "currency", "agent", "weekday", "hour"),
    *_bytes("template", "campaign", "days_past_due", "outcome", "cost", "paid"),
    *_bytes("sent_to_open", "open_to_pay", "sent_to_pay"),
    keyed=("day",),
    foreign_keys=False,
)

# The same by groups of some dimensions.
message_rollup = _tenant_table(
    "message_rollup",
    Column("rollup", _C, nullable=False),
    Column("day", Date, nullable=False),
    Column("groups", Integer, nullable=False),
    Column("words", Text, nullable=False),
    *_bytes("keys", "counts", "cost", "collected", "reactions", "bands"),
    keyed=("rollup", "day"),
    foreign_keys=False,
)

dirty_day = _tenant_table(
    "dirty_day",
    Column("day", Date, nullable=False),
    Column("id", BigInteger, Identity(), nullable=False),
    keyed=("day", "id"),
    foreign_keys=False,
)

# What a transaction changed, for those who watch KPIs.
kpi_change = _tenant_table(
    "kpi_change",
    Column("transaction", BigInteger, nullable=False),  # its id, which a snapshot can tell to have committed
    _instant("changed_at", nullable=False, server_default=text("now()")),
    Column("first_day", Date),  # of the days of messages whose outcome changed
    Column("last_day", Date),
    Column("facts_from", Date),  # the day of the earliest other fact that changed
    Index("kpi_change_transaction_idx", "tenant_id", "transaction"),
    foreign_keys=False,
)

#: Tables whose rows belong to a tenant: each gets the forced row-level security policy.
TENANT_TABLES: tuple[str, ...] = tuple(
    sorted(table.name for table in metadata.tables.values() if table is not tenant)
)
