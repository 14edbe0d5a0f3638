"""Which channels reach a debtor, as known at an instant."""

from domain.storage.refusals import refusals

# Proof that a communication was received, whatever bounced; a click or a landing is an open as well.
_ENGAGED_AT = "LEAST(c.opened_at, c.replied_at, c.right_party_contacted_at)"


def usable_channels(*, debtor: str, known: str) -> str:
    """SELECT of the `channel`s that reach one debtor.

    debtor: the alias under which the statement around has the debtor's row. known: SQL of an instant; facts after it do
    not exist.
    A channel reaches a debtor who has an address for it (its own e-mail, phone or post, or a contact point) and has not
    refused it (`refusals`), unless the last that was heard from the channel is a hard bounce: one of an OUTBOUND
    communication that was sent after every delivered one.
    """
    not_bounced = f"(c.bounced_hard_at IS NULL OR c.bounced_hard_at > {known})"
    posted = f"c.channel = 'LETTER' AND (c.bounced_soft_at IS NULL OR c.bounced_soft_at > {known})"
    delivered = f"{_ENGAGED_AT} <= {known} OR {not_bounced} AND (c.delivered_at <= {known} OR {posted})"
    bounced = f"c.bounced_hard_at <= {known} AND ({_ENGAGED_AT} IS NULL OR {_ENGAGED_AT} > {known})"
    refused = refusals(tenant=f"{debtor}.tenant_id", debtors=f"= {debtor}.id", known=known)
    return f"""
        SELECT DISTINCT point.channel
        FROM (
            SELECT own.channel, own.address
            FROM (VALUES ('EMAIL', {debtor}.email), ('SMS', {debtor}.phone), ('WHATSAPP', {debtor}.phone),
                         ('VOICE', {debtor}.phone), ('LETTER', {debtor}.postal_address)) AS own (channel, address)
            WHERE own.address IS NOT NULL
            UNION
            SELECT p.channel, p.address FROM contact_point p
            WHERE p.tenant_id = {debtor}.tenant_id AND p.debtor_id = {debtor}.id
        ) point
        LEFT JOIN (
            SELECT c.channel,
                   max(c.sent_at) FILTER (WHERE {delivered}) AS delivered_at,
                   max(c.sent_at) FILTER (WHERE {bounced}) AS bounced_at
            FROM communication c
            WHERE c.tenant_id = {debtor}.tenant_id AND c.debtor_id = {debtor}.id
              AND c.direction = 'OUTBOUND' AND c.sent_at <= {known}
            GROUP BY c.channel
        ) heard ON heard.channel = point.channel
        LEFT JOIN ({refused}) refused ON refused.channel = point.channel
        WHERE (heard.bounced_at IS NULL OR heard.delivered_at >= heard.bounced_at)
          AND refused.channel IS NULL"""
