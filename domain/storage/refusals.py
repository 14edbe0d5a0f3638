"""Which channels debtors refused: by the opt-out of an address, by unsubscribing or by complaining."""

from domain.vocabulary import Channel, EventKind

_ALL = ", ".join(f"'{channel}'" for channel in Channel)

#: SQL of which rows of `event`, under the alias `e`, refuse a channel.
REFUSES = f"e.kind IN ('{EventKind.UNSUBSCRIBED}', '{EventKind.COMPLAINED}')"


def refusing_events(*, tenant: str, debtors: str, known: str) -> str:
    """SELECT of `debtor_id`, `channel`, and when an event last refused it (`refused_at`) by what is known.

    tenant, known: SQL of the tenant's id and of an instant. debtors: SQL of what follows `debtor_id`, such as `= d.id`.
    The channel is the event's source, else its communication's, whichever way that went: who answers STOP to a
    message unsubscribes. A complaint, such as a report of spam, refuses as unsubscribing does. Who names no channel at
    all refuses them all.
    """
    return f"""
        SELECT e.debtor_id, named.channel, max(e.occurred_at) AS refused_at
        FROM event e
        LEFT JOIN communication c ON c.tenant_id = {tenant} AND c.id = e.communication_id
        CROSS JOIN LATERAL unnest(
            CASE WHEN e.source <> 'DIRECT' THEN ARRAY[e.source] WHEN c.channel IS NOT NULL THEN ARRAY[c.channel]
                 ELSE ARRAY[{_ALL}] END
        ) AS named (channel)
        WHERE e.tenant_id = {tenant} AND e.debtor_id {debtors} AND {REFUSES} AND e.occurred_at <= {known}
        GROUP BY e.debtor_id, named.channel"""


def refusals(*, tenant: str, debtors: str, known: str) -> str:
    """SELECT of the `debtor_id`, `channel`s refused by what is known; arguments as `refusing_events`.

    A channel is refused as a whole by the opt-out of any of its addresses, by unsubscribing or by complaining, until a
    later consent on any of its addresses.
    """
    return f"""
        SELECT debtor_id, channel FROM (
            SELECT p.debtor_id, p.channel, p.opted_out_at AS refused_at, p.consented_at FROM contact_point p
            WHERE p.tenant_id = {tenant} AND p.debtor_id {debtors}
            UNION ALL
            SELECT debtor_id, channel, refused_at, NULL
            FROM ({refusing_events(tenant=tenant, debtors=debtors, known=known)}) told
        ) stated
        GROUP BY debtor_id, channel
        HAVING max(refused_at) FILTER (WHERE refused_at <= {known})
            >= COALESCE(max(consented_at) FILTER (WHERE consented_at <= {known}), '-infinity')"""
