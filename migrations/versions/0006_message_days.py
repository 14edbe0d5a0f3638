"""message KPIs counted ahead in columns of arrays, and each day's messages beside them

Revision: 0006_message_days, after 0005_access.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006_message_days"
down_revision = "0005_access"
branch_labels = None
depends_on = None

TENANT = "(SELECT NULLIF(current_setting('dunwell.tenant_id', true), '')::integer)"

_DAY_COLUMNS = (
    *("channel", "dpd_bucket", "segment", "product", "country", "currency", "agent", "weekday", "hour"),
    *("template", "campaign", "days_past_due", "outcome", "cost", "paid"),
    *("sent_to_open", "open_to_pay", "sent_to_pay"),
)
_ROLLUP_COLUMNS = ("keys", "counts", "cost", "collected", "reactions", "bands")
_FORMER_COUNTS = (
    *("sent", "delivered", "hard_bounced", "soft_bounced", "opened", "machine_opened"),
    *("clicked", "landed", "unsubscribed", "complained", "converted"),
)


def upgrade() -> None:
    for table in ("message_rollup", "message_rollup_money", "message_rollup_reaction", "rollup_day"):
        op.drop_table(table)
    op.create_table(
        "message_day",
        _whole("tenant_id"),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("last_fact_at", sa.DateTime(timezone=True), nullable=False),
        _whole("messages"),
        sa.Column("words", sa.Text(), nullable=False),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in _DAY_COLUMNS),
        sa.PrimaryKeyConstraint("tenant_id", "day", name="message_day_pkey"),
    )
    op.create_table(
        "message_rollup",
        _whole("tenant_id"),
        _word("rollup"),
        sa.Column("day", sa.Date(), nullable=False),
        _whole("groups"),
        sa.Column("words", sa.Text(), nullable=False),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in _ROLLUP_COLUMNS),
        sa.PrimaryKeyConstraint("tenant_id", "rollup", "day", name="message_rollup_pkey"),
    )
    # Few columns are read at a time, and fast: taking less room is not worth unpacking them.
    for table, columns in (("message_day", _DAY_COLUMNS), ("message_rollup", _ROLLUP_COLUMNS)):
        for column in columns:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")
        _keep_tenants_apart(table)
    _count_every_day()


def _keep_tenants_apart(table: str) -> None:
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO dunwell_app")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY own ON {table} USING (tenant_id = {TENANT}) WITH CHECK (tenant_id = {TENANT})")


def _count_every_day() -> None:
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
    op.drop_table("message_rollup")
    op.drop_table("message_day")
    _create_former("message_rollup", [], [_whole(name) for name in _FORMER_COUNTS])
    _create_former(
        "message_rollup_money",
        [_word("currency")],
        [sa.Column("cost", sa.Numeric()), sa.Column("collected", sa.Numeric())],
    )
    _create_former(
        "message_rollup_reaction",
        [_word("span")],
        [
            *(_whole("count"), _whole("entered")),
            *(sa.Column(name, sa.Double(), nullable=False) for name in ("seconds", "p50", "p90")),
            sa.Column("sketch", sa.LargeBinary(), nullable=False),
        ],
    )
    op.create_table(
        "rollup_day",
        _whole("tenant_id"),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("last_fact_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "day", name="rollup_day_pkey"),
    )
    _keep_tenants_apart("rollup_day")
    _count_every_day()


def _create_former(name: str, within: list[sa.Column[Any]], figures: list[sa.Column[Any]]) -> None:
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
    _keep_tenants_apart(name)
