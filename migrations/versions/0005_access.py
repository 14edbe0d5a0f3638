"""who did what, and which keys read personal data

Revision: 0005_access, after 0003_ingest.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

TENANT = "(SELECT NULLIF(current_setting('dunwell.tenant_id', true), '')::integer)"

revision = "0005_access"
down_revision = "0003_ingest"
branch_labels = None
depends_on = None


def upgrade() -> None:
    word = sa.Text(collation="C")
    op.create_table(
        "audit_entry",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("role", word, nullable=True),
        sa.Column("key_id", sa.BigInteger(), nullable=True),
        sa.Column("subject", word, nullable=True),
        sa.Column("action", word, nullable=False),
        sa.Column("nodes", postgresql.ARRAY(word), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("outcome", word, nullable=False),
        sa.Column("code", word, nullable=True),
        sa.CheckConstraint("role IN ('READER', 'CAMPAIGN', 'INGEST', 'OPS', 'ADMIN')", name="role"),
        sa.CheckConstraint("outcome IN ('DONE', 'REFUSED', 'FAILED')", name="outcome"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("audit_entry_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("audit_entry_pkey")),
    )
    op.create_index("audit_entry_at_idx", "audit_entry", ["tenant_id", "at", "id"])
    # No UPDATE, no DELETE: what was written down stays.
    op.execute("GRANT SELECT, INSERT ON audit_entry TO dunwell_app")
    op.execute("ALTER TABLE audit_entry ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE audit_entry FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY own ON audit_entry USING (tenant_id = {TENANT}) WITH CHECK (tenant_id = {TENANT})"
    )
    op.add_column(
        "api_key",
        sa.Column("reads_personal_data", sa.Boolean(), server_default=sa.text("true"), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("api_key", "reads_personal_data")
    op.drop_table("audit_entry")
