"""how many debtors each segment has in each place, kept as differences

Revision: 0013_segment_sizes, after 0012_versions_of_days.
"""

import sqlalchemy as sa
from alembic import op

TENANT = "(SELECT NULLIF(current_setting('dunwell.tenant_id', true), '')::integer)"
COUNTED = "tenant_id, segment_key, time_zone, country, region"

revision = "0013_segment_sizes"
down_revision = "0012_versions_of_days"
branch_labels = None
depends_on = None


def upgrade() -> None:
    word = sa.Text(collation="C")
    op.create_table(
        "segment_size",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        *(sa.Column(name, word, nullable=False) for name in ("segment_key", "time_zone", "country")),
        sa.Column("region", word, nullable=True),
        sa.Column("debtors", sa.BigInteger(), nullable=False),
        sa.Column("is_folded", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("segment_size_pkey")),
    )
    op.create_index(
        "segment_size_unfolded_idx",
        "segment_size",
        ["tenant_id", "id"],
        postgresql_where=sa.text("NOT is_folded"),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON segment_size TO dunwell_app")
    op.execute("ALTER TABLE segment_size ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE segment_size FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY own ON segment_size USING (tenant_id = {TENANT}) WITH CHECK (tenant_id = {TENANT})"
    )
    _count_from_now_on()
    _count_all()


def _count_from_now_on() -> None:
    """By statement, with the rights of whoever runs it; the lock that a trigger takes keeps writers out until the end."""
    op.execute(
        f"""
        CREATE FUNCTION count_debtors() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            CASE TG_OP
                WHEN 'INSERT' THEN
                    INSERT INTO segment_size ({COUNTED}, debtors)
                    SELECT {COUNTED}, count(*) FROM present GROUP BY {COUNTED};
                WHEN 'DELETE' THEN
                    INSERT INTO segment_size ({COUNTED}, debtors)
                    SELECT {COUNTED}, -count(*) FROM former GROUP BY {COUNTED};
                WHEN 'UPDATE' THEN
                    INSERT INTO segment_size ({COUNTED}, debtors)
                    SELECT {COUNTED}, sum(debtors) FROM (
                        SELECT {COUNTED}, 1 AS debtors FROM present
                        UNION ALL SELECT {COUNTED}, -1 FROM former
                    ) moved
                    GROUP BY {COUNTED} HAVING sum(debtors) <> 0;
            END CASE;
            RETURN NULL;
        END
        $$
        """
    )
    for event, rows in (
        ("INSERT", "NEW TABLE AS present"),
        ("UPDATE", "OLD TABLE AS former NEW TABLE AS present"),
        ("DELETE", "OLD TABLE AS former"),
    ):
        op.execute(
            f"CREATE TRIGGER count_{event.lower()} AFTER {event} ON debtor REFERENCING {rows} "
            "FOR EACH STATEMENT EXECUTE FUNCTION count_debtors()"
        )


def _count_all() -> None:
    """Row-level security binds the owner too: tenant by tenant."""
    op.execute(
        f"""
        DO $$
        DECLARE
            one integer;
            former text := current_setting('dunwell.tenant_id', true);
        BEGIN
            FOR one IN SELECT all_tenant_ids() LOOP
                PERFORM set_config('dunwell.tenant_id', one::text, true);
                INSERT INTO segment_size ({COUNTED}, debtors, is_folded)
                SELECT {COUNTED}, count(*), true FROM debtor WHERE tenant_id = one GROUP BY {COUNTED};
            END LOOP;
            PERFORM set_config('dunwell.tenant_id', coalesce(former, ''), true);
        END
        $$
        """
    )


def downgrade() -> None:
    for event in ("insert", "update", "delete"):
        op.execute(f"DROP TRIGGER count_{event} ON debtor")
    op.execute("DROP FUNCTION count_debtors()")
    op.drop_table("segment_size")
