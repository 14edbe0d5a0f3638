"""an index of forecasts without an actual that no statement asks for

Revision: 0018_kept_forecast_open, after 0017_verified_addresses.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018_kept_forecast_open"
down_revision = "0017_verified_addresses"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("kept_forecast_open_idx", table_name="kept_forecast")


def downgrade() -> None:
    op.create_index(
        "kept_forecast_open_idx",
        "kept_forecast",
        ["tenant_id", "day"],
        postgresql_where=sa.text("actual IS NULL"),
    )
