"""message KPIs counted ahead

Revision: 0002_rollups, after 0001.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

#: Every table of this revision; all carry a tenant.
TABLES = (
    "dirty_day",
    "kpi_change",
    "message_rollup",
    "message_rollup_money",
    "message_rollup_reaction",
    "rollup_day",
)
_COUNTS = (
    *("sent", "delivered", "hard_bounced", "soft_bounced", "opened", "machine_opened"),
    *("clicked", "landed", "unsubscribed", "complained", "converted"),
)

TENANT = "(SELECT NULLIF(current_setting('dunwell.tenant_id', true), '')::integer)"

revision = "0002_rollups"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_rollups()
    _create_changes()
    for table in TABLES:
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO dunwell_app")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY own ON {table} USING (tenant_id = {TENANT}) WITH CHECK (tenant_id = {TENANT})"
        )
    _count_what_is_there()


def _create_rollups() -> None:
    _create_rollup("message_rollup", (), [_whole(name) for name in _COUNTS])
    _create_rollup(
        "message_rollup_money",
        (_word("currency"),),
        [sa.Column("cost", sa.Numeric()), sa.Column("collected", sa.Numeric())],
    )
    _create_rollup(
        "message_rollup_reaction",
        (_word("span"),),
        [
            *(_whole("count"), _whole("entered")),
            *(sa.Column(name, sa.Double(), nullable=False) for name in ("seconds", "p50", "p90")),
            sa.Column("sketch", sa.LargeBinary(), nullable=False),
        ],
    )


def _create_rollup(name: str, within: tuple[sa.Column[Any], ...], figures: list[sa.Column[Any]]) -> None:
    """A table keyed by tenant, rollup, day and key, and `within` these."""
    op.create_table(
        name,
        _whole("tenant_id"),
        _word("rollup"),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("key", postgresql.ARRAY(sa.Text(collation="C")), nullable=False),
        *within,
        *figures,
        sa.PrimaryKeyConstraint(
            *("tenant_id", "rollup", "day", "key", *(column.name for column in within)), name=f"{name}_pkey"
        ),
    )


def _create_changes() -> None:
    op.create_table(
        "rollup_day",
        _whole("tenant_id"),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("last_fact_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "day", name="rollup_day_pkey"),
    )
    op.create_table(
        "dirty_day",
        _whole("tenant_id"),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "day", "id", name="dirty_day_pkey"),
    )
    op.create_table(
        "kpi_change",
        _whole("tenant_id"),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("transaction", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("first_day", sa.Date()),
        sa.Column("last_day", sa.Date()),
        sa.Column("facts_from", sa.Date()),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="kpi_change_pkey"),
    )
    op.create_index("kpi_change_transaction_idx", "kpi_change", ["tenant_id", "transaction"])


def _count_what_is_there() -> None:
    """Every day with messages is to be counted. Row-level security binds the owner too: tenant by tenant."""
    op.execute(
        """
        DO $$
        DECLARE
            one integer;
            former text := current_setting('dunwell.tenant_id', true);
        BEGIN
            FOR one IN SELECT all_tenant_ids() LOOP
                PERFORM set_config('dunwell.tenant_id', one::text, true);
                INSERT INTO dirty_day (tenant_id, day)
                SELECT DISTINCT one, (sent_at AT TIME ZONE 'UTC')::date FROM communication
                WHERE tenant_id = one AND direction = 'OUTBOUND';
            END LOOP;
            PERFORM set_config('dunwell.tenant_id', coalesce(former, ''), true);
        END
        $$
        """
    )


def _whole(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _word(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(collation="C"), nullable=False)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
