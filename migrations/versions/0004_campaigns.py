"""what campaigns and decisions record

Revision: 0004_campaigns, after 0002_rollups.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004_campaigns"
down_revision = "0002_rollups"
branch_labels = None
depends_on = None

_OUTCOME = (
    ("starts_at", sa.DateTime(timezone=True)),
    ("ends_at", sa.DateTime(timezone=True)),
    ("planned_count", sa.Integer()),
    ("held_out_count", sa.Integer()),
    ("by_channel", postgresql.JSONB(astext_type=sa.Text())),
)


def upgrade() -> None:
    op.add_column(
        "decision",
        sa.Column("policy", sa.Text(collation="C"), server_default="RECOMMENDED@1", nullable=False),
    )
    op.add_column(
        "decision",
        sa.Column(
            "reasons",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
    )
    for name, kind in _OUTCOME:
        op.add_column("campaign", sa.Column(name, kind, nullable=True))
    _tell_of_what_is_there()
    for name, _ in _OUTCOME:
        op.alter_column("campaign", name, nullable=False)


def _tell_of_what_is_there() -> None:
    """Campaigns by what was asked of them and their decisions. Row-level security binds the owner too: tenant by tenant."""
    op.execute(
        """
        DO $$
        DECLARE
            one integer;
            former text := current_setting('dunwell.tenant_id', true);
        BEGIN
            FOR one IN SELECT all_tenant_ids() LOOP
                PERFORM set_config('dunwell.tenant_id', one::text, true);
                UPDATE campaign SET
                    starts_at = coalesce((request #>> '{within,from}')::timestamptz, planned_at),
                    ends_at = coalesce((request #>> '{within,to}')::timestamptz, planned_at),
                    planned_count = (
                        SELECT count(*) FROM decision
                        WHERE decision.tenant_id = one AND campaign_id = campaign.id AND arm = 'PLANNED'
                    ),
                    held_out_count = (
                        SELECT count(*) FROM decision
                        WHERE decision.tenant_id = one AND campaign_id = campaign.id AND arm = 'HELD_OUT'
                    ),
                    by_channel = (
                        SELECT coalesce(jsonb_object_agg(channel, contacts), '{}'::jsonb) FROM (
                            SELECT action ->> 'channel' AS channel, count(*) AS contacts FROM decision
                            WHERE decision.tenant_id = one AND campaign_id = campaign.id AND arm = 'PLANNED'
                            AND action IS NOT NULL GROUP BY 1
                        ) counted
                    )
                WHERE tenant_id = one;
            END LOOP;
            PERFORM set_config('dunwell.tenant_id', coalesce(former, ''), true);
        END
        $$
        """
    )


def downgrade() -> None:
    for name, _ in reversed(_OUTCOME):
        op.drop_column("campaign", name)
    for name in ("reasons", "policy"):
        op.drop_column("decision", name)
