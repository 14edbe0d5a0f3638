"""The addresses of debtors with what is known of each at an instant."""

from domain.storage.addresses import hard_bounced_at, last_heard, own_addresses
from domain.storage.refusals import refusing_events


def known_points(*columns: str, tenant: str, debtors: str, known: str) -> str:
    """SELECT of columns among `debtor_id`, `channel`, `address`; `verified_at`, `consented_at` and `opted_out_at`, as
    stated of the address; `refused_at`, by an event; `left_at`, the later of the last two; and `hard_bounced_at`.

    The other arguments are those of `refusals.refusing_events`. A debtor's own e-mail, phone and post stand beside the
    imported contact points; the same address is one point. An event that refuses a channel refuses every address of it.
    """
    verified_at, consented_at, opted_out_at = (
        f"CASE WHEN stated.{name} <= {known} THEN stated.{name} END"
        for name in ("verified_at", "consented_at", "opted_out_at")
    )
    found = {
        "debtor_id": "point.debtor_id",
        "channel": "point.channel",
        "address": "point.address",
        "verified_at": verified_at,
        "consented_at": consented_at,
        "opted_out_at": opted_out_at,
        "refused_at": "told.refused_at",
        "left_at": f"GREATEST({opted_out_at}, told.refused_at)",
        "hard_bounced_at": hard_bounced_at(verified_at),
    }
    return f"""
    WITH point AS (
        SELECT d.id AS debtor_id, own.channel, own.address
        FROM debtor d CROSS JOIN LATERAL {own_addresses("d")}
        WHERE d.tenant_id = {tenant} AND d.id {debtors} AND own.address IS NOT NULL
        UNION
        SELECT debtor_id, channel, address FROM contact_point
        WHERE tenant_id = {tenant} AND debtor_id {debtors}
    ), heard AS (
        {last_heard(tenant=tenant, debtors=debtors, known=known)}
    ), told AS (
        {refusing_events(tenant=tenant, debtors=debtors, known=known)}
    )
    SELECT {", ".join(f"{found[name]} AS {name}" for name in columns)}
    FROM point
    LEFT JOIN contact_point AS stated
        ON stated.tenant_id = {tenant} AND stated.debtor_id = point.debtor_id
        AND stated.channel = point.channel AND stated.address = point.address
    LEFT JOIN heard ON heard.debtor_id = point.debtor_id AND heard.channel = point.channel
    LEFT JOIN told ON told.debtor_id = point.debtor_id AND told.channel = point.channel"""
