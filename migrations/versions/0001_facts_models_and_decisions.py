"""facts, models and decisions

Revision: 0001, the first.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

#: Every table that carries a tenant, as of this revision.
TENANT_TABLES = (
    "account",
    "agent",
    "api_key",
    "campaign",
    "communication",
    "contact_point",
    "contact_request",
    "debtor",
    "debtor_balance",
    "decision",
    "event",
    "exchange_rate",
    "finance",
    "model_version",
    "payment",
    "promise",
    "segment",
    "template",
    "training_run",
)

_FUNNEL_INSTANTS = (
    *("delivered_at", "bounced_hard_at", "bounced_soft_at", "opened_at", "machine_opened_at", "clicked_at"),
    *("landed_at", "replied_at", "right_party_contacted_at", "unsubscribed_at", "complained_at"),
)

#: Each after those that refer to it; its indexes go with it.
_DROPPED = (
    *("promise", "payment", "decision", "communication", "training_run", "debtor_balance", "contact_request"),
    *("contact_point", "campaign", "account", "template", "segment", "model_version", "finance"),
    *("exchange_rate", "event", "debtor", "api_key", "agent", "tenant"),
)

#: NULL without a tenant, so that nothing is visible; STABLE, so that an index condition can use it.
TENANT = "(SELECT NULLIF(current_setting('dunwell.tenant_id', true), '')::integer)"

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_tables()
    _create_role()
    _create_policies()
    _create_functions()


def _create_role() -> None:
    """The role that every transaction of the app takes. Roles belong to the cluster: it may be there already."""
    op.execute(
        """
        DO $$
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dunwell_app') THEN
                CREATE ROLE dunwell_app NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
            END IF;
            IF NOT pg_has_role(current_user, 'dunwell_app', 'SET') THEN
                EXECUTE format('GRANT dunwell_app TO %I', current_user);
            END IF;
            EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO dunwell_app', current_database());
        END
        $$
        """
    )
    op.execute("GRANT USAGE ON SCHEMA public TO dunwell_app")
    op.execute("GRANT SELECT ON tenant TO dunwell_app")
    op.execute(
        "GRANT SELECT ON alembic_version TO dunwell_app"
    )  # a server asks whether the schema is its own
    for table in TENANT_TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO dunwell_app")
    # From PostgreSQL 17 on: after an import the planner can be told at once, by ANALYZE, what there is now.
    op.execute(
        f"""
        DO $$
        BEGIN
            IF current_setting('server_version_num')::integer >= 170000 THEN
                EXECUTE 'GRANT MAINTAIN ON {", ".join(TENANT_TABLES)} TO dunwell_app';
            END IF;
        END
        $$
        """
    )


def _create_policies() -> None:
    """Rows of the transaction's tenant only, for whoever asks; the owner too, but for the list of tenants itself."""
    op.execute("ALTER TABLE tenant ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own ON tenant USING (id = {TENANT})")
    for table in TENANT_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY own ON {table} USING (tenant_id = {TENANT}) WITH CHECK (tenant_id = {TENANT})"
        )


def _create_functions() -> None:
    """Two look-ups that must work before a tenant is known; they give ids and nothing else."""
    op.execute(
        """
        CREATE FUNCTION tenant_id_of(tenant_key text) RETURNS integer
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
        AS 'SELECT id FROM public.tenant WHERE key = tenant_key'
        """
    )
    op.execute(
        """
        CREATE FUNCTION all_tenant_ids() RETURNS SETOF integer
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public
        AS 'SELECT id FROM public.tenant ORDER BY id'
        """
    )
    for function in ("tenant_id_of(text)", "all_tenant_ids()"):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO dunwell_app")


def _create_tables() -> None:
    _create_tenant()
    _create_agent()
    _create_api_key()
    _create_debtor()
    _create_event()
    _create_exchange_rate()
    _create_finance()
    _create_model_version()
    _create_segment()
    _create_template()
    _create_account()
    _create_campaign()
    _create_contact_point()
    _create_contact_request()
    _create_debtor_balance()
    _create_training_run()
    _create_communication()
    _create_decision()
    _create_payment()
    _create_promise()


def _create_tenant() -> None:
    op.create_table(
        "tenant",
        sa.Column("id", sa.Integer(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column(
            "settings",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("tenant_pkey")),
        sa.UniqueConstraint("key", name="tenant_key_key"),
    )


def _create_agent() -> None:
    op.create_table(
        "agent",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("reference", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("team", sa.Text(collation="C"), nullable=True),
        sa.Column("active_from", sa.Date(), nullable=False),
        sa.Column("active_to", sa.Date(), nullable=True),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("agent_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("agent_pkey")),
        sa.UniqueConstraint("tenant_id", "reference", name=op.f("agent_reference_key")),
    )


def _create_api_key() -> None:
    op.create_table(
        "api_key",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("role", sa.Text(collation="C"), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("label", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "role IN ('READER', 'CAMPAIGN', 'INGEST', 'OPS', 'ADMIN')", name=op.f("api_key_role_check")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("api_key_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("api_key_pkey")),
        sa.UniqueConstraint("tenant_id", "secret_sha256", name=op.f("api_key_secret_sha256_key")),
    )


def _create_debtor() -> None:
    op.create_table(
        "debtor",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("reference", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(collation="C"), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("postal_address", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(collation="C"), nullable=False),
        sa.Column("region", sa.Text(collation="C"), nullable=True),
        sa.Column("language", sa.Text(collation="C"), nullable=True),
        sa.Column("time_zone", sa.Text(collation="C"), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("customer_since", sa.Date(), nullable=True),
        sa.Column("segment", sa.Text(collation="C"), nullable=True),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("segment_key", sa.Text(collation="C"), server_default="NONE", nullable=False),
        sa.Column("oldest_due_on", sa.Date(), nullable=True),
        sa.Column("last_contacted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("debtor_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("debtor_pkey")),
        sa.UniqueConstraint("tenant_id", "reference", name=op.f("debtor_reference_key")),
    )
    op.create_index("debtor_country_idx", "debtor", ["tenant_id", "country", "id"], unique=False)
    op.create_index(
        "debtor_last_contacted_at_idx", "debtor", ["tenant_id", "last_contacted_at", "id"], unique=False
    )
    op.create_index("debtor_name_key_idx", "debtor", ["tenant_id", "name_key", "id"], unique=False)
    op.create_index("debtor_oldest_due_on_idx", "debtor", ["tenant_id", "oldest_due_on", "id"], unique=False)
    op.create_index("debtor_segment_key_idx", "debtor", ["tenant_id", "segment_key", "id"], unique=False)
    op.create_index(
        "debtor_state_until_idx",
        "debtor",
        ["tenant_id", "state_until"],
        unique=False,
        postgresql_where=sa.text("state_until IS NOT NULL"),
    )


def _create_event() -> None:
    op.create_table(
        "event",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("reference", sa.Text(collation="C"), nullable=False),
        sa.Column("debtor_id", sa.BigInteger(), nullable=False),
        sa.Column("communication_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text(collation="C"), nullable=False),
        sa.Column("automated", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "kind IN ('DELIVERED', 'BOUNCED_HARD', 'BOUNCED_SOFT', 'OPENED', 'CLICKED', 'LANDED', 'PAYMENT_STARTED', 'PAYMENT_FAILED', 'PAYMENT_ABANDONED', 'REPLIED', 'RIGHT_PARTY_CONTACTED', 'UNSUBSCRIBED', 'COMPLAINED')",
            name=op.f("event_kind_check"),
        ),
        sa.CheckConstraint(
            "source IN ('DIRECT', 'EMAIL', 'SMS', 'WHATSAPP', 'PUSH', 'LETTER', 'VOICE')",
            name=op.f("event_source_check"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "reference", name=op.f("event_pkey")),
    )
    op.create_index(
        "event_engagement_idx",
        "event",
        ["tenant_id", "debtor_id", "occurred_at"],
        unique=False,
        postgresql_where=sa.text(
            "kind = 'RIGHT_PARTY_CONTACTED' OR kind IN ('OPENED', 'CLICKED', 'LANDED') AND NOT automated"
        ),
    )
    op.create_index(
        "event_traffic_idx",
        "event",
        ["tenant_id", "occurred_at"],
        unique=False,
        postgresql_where=sa.text(
            "kind IN ('LANDED', 'PAYMENT_STARTED', 'PAYMENT_FAILED', 'PAYMENT_ABANDONED')"
        ),
    )


def _create_exchange_rate() -> None:
    op.create_table(
        "exchange_rate",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("rate", sa.Numeric(), nullable=False),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("exchange_rate_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "date", "currency", name=op.f("exchange_rate_pkey")),
    )


def _create_finance() -> None:
    op.create_table(
        "finance",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("credit_sales", sa.Numeric(), nullable=True),
        sa.Column("receivables", sa.Numeric(), nullable=True),
        sa.Column("revenue", sa.Numeric(), nullable=True),
        sa.Column("operating_cost", sa.Numeric(), nullable=True),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("finance_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "month", "currency", name=op.f("finance_pkey")),
    )


def _create_model_version() -> None:
    op.create_table(
        "model_version",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(collation="C"), nullable=False),
        sa.Column("recipe", sa.Text(collation="C"), nullable=False),
        sa.Column("trained_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("gate", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("manifest", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("artefact", sa.LargeBinary(), nullable=False),
        sa.Column("promoted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('CHALLENGER', 'CHAMPION', 'RETIRED')", name=op.f("model_version_status_check")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("model_version_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("model_version_pkey")),
        sa.UniqueConstraint("tenant_id", "version", name=op.f("model_version_version_key")),
    )
    op.create_index(
        "model_version_champion_idx",
        "model_version",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("status = 'CHAMPION'"),
    )


def _create_segment() -> None:
    op.create_table(
        "segment",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rule", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("segment_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("segment_pkey")),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("segment_key_key")),
        sa.UniqueConstraint("tenant_id", "position", name=op.f("segment_position_key")),
    )


def _create_template() -> None:
    op.create_table(
        "template",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("reference", sa.Text(collation="C"), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.Column("language", sa.Text(collation="C"), nullable=True),
        sa.Column("tone", sa.Text(collation="C"), nullable=True),
        sa.Column("incentive", sa.Text(collation="C"), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "channel IN ('EMAIL', 'SMS', 'WHATSAPP', 'PUSH', 'LETTER', 'VOICE')",
            name=op.f("template_channel_check"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("template_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("template_pkey")),
        sa.UniqueConstraint("tenant_id", "reference", name=op.f("template_reference_key")),
    )


def _create_account() -> None:
    op.create_table(
        "account",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("reference", sa.Text(collation="C"), nullable=False),
        sa.Column("debtor_id", sa.BigInteger(), nullable=False),
        sa.Column("product", sa.Text(collation="C"), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("principal", sa.Numeric(), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("agent_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("balance", sa.Numeric(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "agent_id"],
            ["agent.tenant_id", "agent.id"],
            name=op.f("account_tenant_id_agent_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "debtor_id"],
            ["debtor.tenant_id", "debtor.id"],
            name=op.f("account_tenant_id_debtor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("account_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("account_pkey")),
        sa.UniqueConstraint("tenant_id", "reference", name=op.f("account_reference_key")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("account_agent_id_idx", "account", ["tenant_id", "agent_id"], unique=False)
    op.create_index("account_debtor_id_idx", "account", ["tenant_id", "debtor_id"], unique=False)
    op.create_index("account_product_idx", "account", ["tenant_id", "product", "currency"], unique=False)


def _create_campaign() -> None:
    op.create_table(
        "campaign",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(collation="C"), nullable=False),
        sa.Column("request", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("blocked_count", sa.Integer(), nullable=False),
        sa.Column("expected", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("model_version_id", sa.BigInteger(), nullable=True),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('PLANNED', 'RUNNING', 'ENDED', 'CANCELLED')", name=op.f("campaign_status_check")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "model_version_id"],
            ["model_version.tenant_id", "model_version.id"],
            name=op.f("campaign_tenant_id_model_version_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("campaign_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("campaign_pkey")),
    )


def _create_contact_point() -> None:
    op.create_table(
        "contact_point",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("debtor_id", sa.BigInteger(), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.Column("address", sa.Text(collation="C"), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("consented_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opted_out_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "channel IN ('EMAIL', 'SMS', 'WHATSAPP', 'PUSH', 'LETTER', 'VOICE')",
            name=op.f("contact_point_channel_check"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "debtor_id"],
            ["debtor.tenant_id", "debtor.id"],
            name=op.f("contact_point_tenant_id_debtor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("contact_point_tenant_id_fkey")),
        sa.PrimaryKeyConstraint(
            "tenant_id", "debtor_id", "channel", "address", name=op.f("contact_point_pkey")
        ),
    )


def _create_contact_request() -> None:
    op.create_table(
        "contact_request",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("reference", sa.Text(collation="C"), nullable=False),
        sa.Column("debtor_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(collation="C"), nullable=False),
        sa.Column("channel", sa.Text(collation="C"), nullable=True),
        sa.Column("from_hour", sa.SmallInteger(), nullable=True),
        sa.Column("to_hour", sa.SmallInteger(), nullable=True),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "channel IN ('EMAIL', 'SMS', 'WHATSAPP', 'PUSH', 'LETTER', 'VOICE')",
            name=op.f("contact_request_channel_check"),
        ),
        sa.CheckConstraint(
            "kind IN ('STOP', 'ONLY_BETWEEN', 'NOT_BEFORE')", name=op.f("contact_request_kind_check")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "debtor_id"],
            ["debtor.tenant_id", "debtor.id"],
            name=op.f("contact_request_tenant_id_debtor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("contact_request_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("contact_request_pkey")),
        sa.UniqueConstraint("tenant_id", "reference", name=op.f("contact_request_reference_key")),
    )
    op.create_index(
        "contact_request_debtor_id_idx", "contact_request", ["tenant_id", "debtor_id"], unique=False
    )


def _create_debtor_balance() -> None:
    op.create_table(
        "debtor_balance",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("debtor_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("balance", sa.Numeric(), nullable=False),
        sa.Column("balance_e4", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "debtor_id"],
            ["debtor.tenant_id", "debtor.id"],
            name=op.f("debtor_balance_tenant_id_debtor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("debtor_balance_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "debtor_id", "currency", name=op.f("debtor_balance_pkey")),
    )
    op.create_index(
        "debtor_balance_currency_idx",
        "debtor_balance",
        ["tenant_id", "currency", "balance_e4", "debtor_id"],
        unique=False,
    )


def _create_training_run() -> None:
    op.create_table(
        "training_run",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("status", sa.Text(collation="C"), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("progress", sa.Double(), server_default="0", nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("promote", sa.Text(collation="C"), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error_code", sa.Text(collation="C"), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("model_version_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "status IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')",
            name=op.f("training_run_status_check"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "model_version_id"],
            ["model_version.tenant_id", "model_version.id"],
            name=op.f("training_run_tenant_id_model_version_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("training_run_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("training_run_pkey")),
    )
    op.create_index(
        "training_run_live_idx",
        "training_run",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("status IN ('QUEUED', 'RUNNING')"),
    )


def _create_communication() -> None:
    op.create_table(
        "communication",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("reference", sa.Text(collation="C"), nullable=False),
        sa.Column("debtor_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("channel", sa.Text(collation="C"), nullable=False),
        sa.Column("direction", sa.Text(collation="C"), nullable=False),
        sa.Column("template", sa.Text(collation="C"), nullable=True),
        sa.Column("campaign", sa.Text(collation="C"), nullable=True),
        sa.Column("agent_id", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cost", sa.Numeric(), nullable=True),
        sa.Column("currency", sa.Text(collation="C"), nullable=True),
        sa.Column("propensity", sa.Double(), nullable=True),
        sa.Column("decision_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=True) for name in _FUNNEL_INSTANTS),
        sa.Column("segment_key", sa.Text(collation="C"), server_default="NONE", nullable=False),
        sa.Column("days_past_due", sa.Integer(), server_default="0", nullable=False),
        sa.Column("product", sa.Text(collation="C"), nullable=True),
        sa.Column("kpi_currency", sa.Text(collation="C"), nullable=True),
        sa.Column("converted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "channel IN ('EMAIL', 'SMS', 'WHATSAPP', 'PUSH', 'LETTER', 'VOICE')",
            name=op.f("communication_channel_check"),
        ),
        sa.CheckConstraint(
            "direction IN ('INBOUND', 'OUTBOUND')", name=op.f("communication_direction_check")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"],
            ["account.tenant_id", "account.id"],
            name=op.f("communication_tenant_id_account_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "agent_id"],
            ["agent.tenant_id", "agent.id"],
            name=op.f("communication_tenant_id_agent_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "debtor_id"],
            ["debtor.tenant_id", "debtor.id"],
            name=op.f("communication_tenant_id_debtor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("communication_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("communication_pkey")),
        sa.UniqueConstraint("tenant_id", "reference", name=op.f("communication_reference_key")),
        postgresql_with={"fillfactor": 45},
    )
    _index_communication()


def _index_communication() -> None:
    op.create_index(
        "communication_debtor_id_idx",
        "communication",
        ["tenant_id", "debtor_id", "sent_at", "id"],
        unique=False,
    )
    op.create_index(
        "communication_decision_id_idx",
        "communication",
        ["tenant_id", "decision_id"],
        unique=False,
        postgresql_where=sa.text("decision_id IS NOT NULL"),
    )
    op.create_index(
        "communication_sent_at_idx", "communication", ["tenant_id", "sent_at", "id"], unique=False
    )


def _create_decision() -> None:
    op.create_table(
        "decision",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("debtor_id", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("propensity", sa.Double(), nullable=False),
        sa.Column("explored", sa.Boolean(), nullable=False),
        sa.Column("arm", sa.Text(collation="C"), nullable=False),
        sa.Column("eligible", postgresql.ARRAY(sa.Text(collation="C")), nullable=False),
        sa.Column("blocked_by", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("model_version_id", sa.BigInteger(), nullable=True),
        sa.Column("rules_version", sa.Text(collation="C"), nullable=False),
        sa.Column("campaign_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("arm IN ('PLANNED', 'HELD_OUT')", name=op.f("decision_arm_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "campaign_id"],
            ["campaign.tenant_id", "campaign.id"],
            name=op.f("decision_tenant_id_campaign_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "debtor_id"],
            ["debtor.tenant_id", "debtor.id"],
            name=op.f("decision_tenant_id_debtor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "model_version_id"],
            ["model_version.tenant_id", "model_version.id"],
            name=op.f("decision_tenant_id_model_version_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("decision_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("decision_pkey")),
    )
    op.create_index(
        "decision_campaign_id_idx",
        "decision",
        ["tenant_id", "campaign_id", "id"],
        unique=False,
        postgresql_where=sa.text("campaign_id IS NOT NULL"),
    )
    op.create_index(
        "decision_debtor_id_idx", "decision", ["tenant_id", "debtor_id", "decided_at"], unique=False
    )


def _create_payment() -> None:
    op.create_table(
        "payment",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("reference", sa.Text(collation="C"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("debtor_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("communication_id", sa.BigInteger(), nullable=True),
        sa.Column("method", sa.Text(collation="C"), nullable=True),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("attributed_to", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"],
            ["account.tenant_id", "account.id"],
            name=op.f("payment_tenant_id_account_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "communication_id"],
            ["communication.tenant_id", "communication.id"],
            name=op.f("payment_tenant_id_communication_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "debtor_id"],
            ["debtor.tenant_id", "debtor.id"],
            name=op.f("payment_tenant_id_debtor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("payment_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("payment_pkey")),
        sa.UniqueConstraint("tenant_id", "reference", name=op.f("payment_reference_key")),
    )
    op.create_index("payment_account_id_idx", "payment", ["tenant_id", "account_id", "paid_at"], unique=False)
    op.create_index(
        "payment_attributed_to_idx",
        "payment",
        ["tenant_id", "attributed_to"],
        unique=False,
        postgresql_where=sa.text("attributed_to IS NOT NULL"),
    )
    op.create_index(
        "payment_debtor_id_idx", "payment", ["tenant_id", "debtor_id", "paid_at", "id"], unique=False
    )
    op.create_index("payment_paid_at_idx", "payment", ["tenant_id", "paid_at"], unique=False)


def _create_promise() -> None:
    op.create_table(
        "promise",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("reference", sa.Text(collation="C"), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("debtor_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("currency", sa.Text(collation="C"), nullable=False),
        sa.Column("promised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("direction", sa.Text(collation="C"), nullable=False),
        sa.Column("agent_id", sa.BigInteger(), nullable=True),
        sa.Column("communication_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("filled", sa.Numeric(), server_default="0", nullable=False),
        sa.CheckConstraint("direction IN ('INBOUND', 'OUTBOUND')", name=op.f("promise_direction_check")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"],
            ["account.tenant_id", "account.id"],
            name=op.f("promise_tenant_id_account_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "agent_id"],
            ["agent.tenant_id", "agent.id"],
            name=op.f("promise_tenant_id_agent_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "communication_id"],
            ["communication.tenant_id", "communication.id"],
            name=op.f("promise_tenant_id_communication_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "debtor_id"],
            ["debtor.tenant_id", "debtor.id"],
            name=op.f("promise_tenant_id_debtor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("promise_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("promise_pkey")),
        sa.UniqueConstraint("tenant_id", "reference", name=op.f("promise_reference_key")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("promise_account_id_idx", "promise", ["tenant_id", "account_id"], unique=False)
    op.create_index(
        "promise_debtor_id_idx", "promise", ["tenant_id", "debtor_id", "promised_at", "id"], unique=False
    )
    op.create_index("promise_due_on_idx", "promise", ["tenant_id", "due_on", "id"], unique=False)
    op.create_index("promise_promised_at_idx", "promise", ["tenant_id", "promised_at", "id"], unique=False)


def downgrade() -> None:
    """The role stays: it belongs to the cluster, and another database may use it."""
    op.execute("DROP FUNCTION all_tenant_ids()")
    op.execute("DROP FUNCTION tenant_id_of(text)")
    for table in _DROPPED:
        op.drop_table(table)
