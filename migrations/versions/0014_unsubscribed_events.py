"""an index for the events by which debtors unsubscribe

Revision: 0014_unsubscribed_events, after 0013_segment_sizes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014_unsubscribed_events"
down_revision = "0013_segment_sizes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "event_unsubscribed_idx",
        "event",
        ["tenant_id", "debtor_id"],
        postgresql_where=sa.text("kind = 'UNSUBSCRIBED'"),
    )


def downgrade() -> None:
    op.drop_index("event_unsubscribed_idx", table_name="event")
