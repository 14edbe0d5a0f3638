"""which tenants there is something to do for, told in one statement

Revision: 0008_tenants_to_do, after 0007_documents.
"""

from alembic import op

revision = "0008_tenants_to_do"
down_revision = "0007_documents"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With the rights of who asks: it looks as one tenant after the other, as its caller could, and tells ids alone.
    op.execute(
        """
        CREATE FUNCTION tenants_to_do(waiting text) RETURNS SETOF integer
        LANGUAGE plpgsql AS $$
        DECLARE
            one integer;
            former text := current_setting('dunwell.tenant_id', true);
            waits boolean;
        BEGIN
            FOR one IN SELECT all_tenant_ids() LOOP
                PERFORM set_config('dunwell.tenant_id', one::text, true);
                CASE waiting
                    WHEN 'dirty_day' THEN SELECT EXISTS (SELECT FROM dirty_day WHERE tenant_id = one) INTO waits;
                    WHEN 'segment_draft' THEN
                        SELECT EXISTS (SELECT FROM segment_draft WHERE tenant_id = one) INTO waits;
                END CASE;
                IF waits THEN
                    RETURN NEXT one;
                END IF;
            END LOOP;
            PERFORM set_config('dunwell.tenant_id', coalesce(former, ''), true);
        END
        $$
        """
    )
    op.execute("REVOKE ALL ON FUNCTION tenants_to_do(text) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION tenants_to_do(text) TO dunwell_app")


def downgrade() -> None:
    op.execute("DROP FUNCTION tenants_to_do(text)")
