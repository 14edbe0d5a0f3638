"""Who may come in, and what they did."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from domain.audit import AuditOutcome
from domain.storage.tables.columns import C, instant, metadata, one_of, tenant_table
from domain.vocabulary import Role

tenant = Table(
    "tenant",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("key", C, nullable=False),
    Column("name", Text, nullable=False),
    Column("currency", C, nullable=False),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    instant("created_at", nullable=False, server_default=text("now()")),
    UniqueConstraint("key", name="tenant_key_key"),
)

api_key = tenant_table(
    "api_key",
    *one_of("role", Role),
    Column("secret_sha256", LargeBinary, nullable=False),
    Column("label", Text, nullable=False, server_default=""),
    Column("reads_personal_data", Boolean, nullable=False, server_default=text("true")),
    instant("created_at", nullable=False, server_default=text("now()")),
    instant("expires_at"),
    instant("revoked_at"),
    UniqueConstraint("tenant_id", "secret_sha256"),
)

# Who did what. The app's role may add entries and read them; it may change and delete none.
audit_entry = tenant_table(
    "audit_entry",
    instant("at", nullable=False),
    *one_of("role", Role, nullable=True),  # null: a command
    Column("key_id", BigInteger),  # no foreign key: an entry outlives what it speaks of
    Column("subject", C),  # of a bearer token
    Column("action", C, nullable=False),
    Column("nodes", ARRAY(C), nullable=False),  # Type:number
    Column("counts", JSONB, nullable=False),
    *one_of("outcome", AuditOutcome),
    Column("code", C),
    Index("audit_entry_at_idx", "tenant_id", "at", "id"),
    Index("audit_entry_action_idx", "tenant_id", "action", "at", "id"),
)

# Documents that clients may name by the hash of their text; never changed.
trusted_document = tenant_table(
    "trusted_document",
    Column("sha256", LargeBinary, nullable=False),
    Column("text", Text, nullable=False),
    instant("added_at", nullable=False),
    keyed=("sha256",),
)
