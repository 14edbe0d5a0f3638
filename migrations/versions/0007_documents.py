"""trusted documents

Revision: 0007_documents, after 0006_message_days.
"""

import sqlalchemy as sa
from alembic import op

TENANT = "(SELECT NULLIF(current_setting('dunwell.tenant_id', true), '')::integer)"

revision = "0007_documents"
down_revision = "0006_message_days"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trusted_document",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("trusted_document_tenant_id_fkey")),
        sa.PrimaryKeyConstraint("tenant_id", "sha256", name=op.f("trusted_document_pkey")),
    )
    # No UPDATE: a hash names one text for good.
    op.execute("GRANT SELECT, INSERT, DELETE ON trusted_document TO dunwell_app")
    op.execute("ALTER TABLE trusted_document ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE trusted_document FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY own ON trusted_document USING (tenant_id = {TENANT}) WITH CHECK (tenant_id = {TENANT})"
    )


def downgrade() -> None:
    op.drop_table("trusted_document")
