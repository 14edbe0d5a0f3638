"""Which channels reach a debtor, as known at an instant."""

from domain.storage.addresses import last_heard, own_addresses
from domain.storage.refusals import refusals


def usable_channels(*, debtor: str, known: str) -> str:
    """SELECT of the `channel`s that reach one debtor.

    debtor: the alias under which the statement around has the debtor's row. known: SQL of an instant; facts after it do
    not exist.
    A channel reaches a debtor who has an address for it (its own e-mail, phone or post, or a contact point) and has not
    refused it (`refusals`), unless the last that was heard from the channel is a hard bounce (`last_heard`).
    """
    tenant, debtors = f"{debtor}.tenant_id", f"= {debtor}.id"
    refused = refusals(tenant=tenant, debtors=debtors, known=known)
    return f"""
        SELECT DISTINCT point.channel
        FROM (
            SELECT own.channel, own.address
            FROM {own_addresses(debtor)}
            WHERE own.address IS NOT NULL
            UNION
            SELECT p.channel, p.address FROM contact_point p
            WHERE p.tenant_id = {debtor}.tenant_id AND p.debtor_id = {debtor}.id
        ) point
        LEFT JOIN ({last_heard(tenant=tenant, debtors=debtors, known=known)}) heard ON heard.channel = point.channel
        LEFT JOIN ({refused}) refused ON refused.channel = point.channel
        WHERE (heard.bounced_sent_at IS NULL OR heard.reached_sent_at >= heard.bounced_sent_at)
          AND refused.channel IS NULL"""
