"""Which channels reach a debtor, as known at an instant."""

from domain.storage.addresses import hard_bounced_at, last_heard, own_addresses
from domain.storage.refusals import refusals


def usable_channels(*, debtor: str, known: str) -> str:
    """SELECT of the `channel`s that reach one debtor.

    debtor: the alias under which the statement around has the debtor's row. known: SQL of an instant; facts after it do
    not exist.
    A channel reaches a debtor who has an address for it (its own e-mail, phone or post, or a contact point) and has not
    refused it (`refusals`), unless all of its addresses are hard-bounced (`hard_bounced_at`).
    """
    tenant, debtors = f"{debtor}.tenant_id", f"= {debtor}.id"
    refused = refusals(tenant=tenant, debtors=debtors, known=known)
    return f"""
        SELECT DISTINCT point.channel
        FROM (
            SELECT own.channel, CAST(NULL AS timestamptz) AS verified_at
            FROM {own_addresses(debtor)}
            WHERE own.address IS NOT NULL
            UNION ALL
            SELECT p.channel, CASE WHEN p.verified_at <= {known} THEN p.verified_at END FROM contact_point p
            WHERE p.tenant_id = {debtor}.tenant_id AND p.debtor_id = {debtor}.id
        ) point
        LEFT JOIN ({last_heard(tenant=tenant, debtors=debtors, known=known)}) heard ON heard.channel = point.channel
        LEFT JOIN ({refused}) refused ON refused.channel = point.channel
        WHERE {hard_bounced_at("point.verified_at")} IS NULL
          AND refused.channel IS NULL"""
