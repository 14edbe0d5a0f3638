"""whether a debtor's zone and an event's source are the creditor's own, or follow the country and the channel

Of what is stored already it is not known: there they follow as long as they agree, as they did.

Revision: 0015_stated_or_followed, after 0014_unsubscribed_events.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015_stated_or_followed"
down_revision = "0014_unsubscribed_events"
branch_labels = None
depends_on = None

_COLUMNS = (("debtor", "time_zone_stated"), ("event", "source_stated"))


def upgrade() -> None:
    for table, column in _COLUMNS:
        op.add_column(table, sa.Column(column, sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    for table, column in _COLUMNS:
        op.drop_column(table, column)
