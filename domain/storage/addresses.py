"""The addresses debtors have themselves, and what was last heard from a channel."""

# Proof that a communication was received, whatever bounced; a click or a landing is an open as well.
_ENGAGED_AT = "LEAST(c.opened_at, c.replied_at, c.right_party_contacted_at)"


def own_addresses(debtor: str) -> str:
    """A table `own` of a debtor's own e-mail, phone and post by `channel`; `address` null where it has none.

    debtor: the alias of its row.
    """
    return f"""(VALUES
            ('EMAIL', {debtor}.email), ('SMS', {debtor}.phone), ('WHATSAPP', {debtor}.phone), ('VOICE', {debtor}.phone),
            ('LETTER', {debtor}.postal_address)
        ) AS own (channel, address)"""


def last_heard(*, tenant: str, debtors: str, known: str) -> str:
    """SELECT of `debtor_id`, `channel`, and of what is known of its OUTBOUND communications: when the latest that hard
    bounced was sent (`bounced_sent_at`), when the latest hard bounce came back (`bounced_at`), when the latest
    that is known to have arrived was sent (`reached_sent_at`), and the latest letter that did not come back
    (`posted_at`).

    `hard_bounced_at` tells which addresses that leaves. Arguments as of `refusals.refusing_events`.
    """
    not_bounced = f"(c.bounced_hard_at IS NULL OR c.bounced_hard_at > {known})"
    posted = f"c.channel = 'LETTER' AND (c.bounced_soft_at IS NULL OR c.bounced_soft_at > {known})"
    delivered = f"{_ENGAGED_AT} <= {known} OR {not_bounced} AND c.delivered_at <= {known}"
    bounced = f"c.bounced_hard_at <= {known} AND ({_ENGAGED_AT} IS NULL OR {_ENGAGED_AT} > {known})"
    return f"""
        SELECT c.debtor_id, c.channel,
               max(c.sent_at) FILTER (WHERE {bounced}) AS bounced_sent_at,
               max(c.bounced_hard_at) FILTER (WHERE {bounced}) AS bounced_at,
               max(c.sent_at) FILTER (WHERE {delivered}) AS reached_sent_at,
               max(c.sent_at) FILTER (WHERE {not_bounced} AND {posted}) AS posted_at
        FROM communication c
        WHERE c.tenant_id = {tenant} AND c.debtor_id {debtors} AND c.direction = 'OUTBOUND' AND c.sent_at <= {known}
        GROUP BY c.debtor_id, c.channel"""


def hard_bounced_at(verified_at: str) -> str:
    """When the latest hard bounce of an address came back that still counts; null where none does.

    verified_at: SQL of when the address was last proven to be the debtor's by what is known. The row of its channel in
    `last_heard` goes by `heard`. Which address a message went to is not known, so a bounce speaks of all that its
    channel has, and what was heard last counts: one sent at the same time or later that was delivered clears them all,
    and a proof that came after the bounce clears its own address. Post has no receipt, so a letter counts as delivered
    when it does not come back; that tells something only of one sent in the knowledge of the bounce, as until then it
    may be under way to the same address.
    """
    return (
        "CASE WHEN (heard.reached_sent_at >= heard.bounced_sent_at) IS NOT TRUE"
        " AND (heard.posted_at > heard.bounced_at) IS NOT TRUE"
        f" AND ({verified_at} > heard.bounced_at) IS NOT TRUE THEN heard.bounced_at END"
    )
