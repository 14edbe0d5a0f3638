"""What the contact rules need to know of debtors, as known at an instant; never the addresses themselves."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Integer, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.contact_rules import Address, ContactRequest, Reachability
from domain.vocabulary import Channel, ContactRequestKind

_ENGAGED_AT = "LEAST(c.opened_at, c.replied_at, c.right_party_contacted_at)"
_NOT_BOUNCED = "(c.bounced_hard_at IS NULL OR c.bounced_hard_at > :known)"
_DELIVERED = (
    f"({_ENGAGED_AT} <= :known OR {_NOT_BOUNCED} AND (c.delivered_at <= :known"
    " OR c.channel = 'LETTER' AND (c.bounced_soft_at IS NULL OR c.bounced_soft_at > :known)))"
)
_BOUNCED = f"(c.bounced_hard_at <= :known AND ({_ENGAGED_AT} IS NULL OR {_ENGAGED_AT} > :known))"

_TYPED = (
    bindparam("tenant_id", type_=Integer),
    bindparam("debtor_ids", type_=ARRAY(BigInteger)),
    bindparam("known", type_=DateTime(timezone=True)),
)

_ZONES = text(
    "SELECT id, time_zone FROM debtor WHERE tenant_id = :tenant_id AND id = ANY(:debtor_ids)"
).bindparams(*_TYPED[:2])

_ZONES_OF_SEGMENTS = text(
    "SELECT segment_key, array_agg(DISTINCT time_zone) AS zones FROM debtor WHERE tenant_id = :tenant_id"
    " GROUP BY segment_key"
).bindparams(_TYPED[0])

# A debtor's own e-mail, phone and post stand beside the imported contact points; the same address is one point.
# An unsubscription refuses every address of its channel. A hard bounce counts until a later message arrived.
_ADDRESSES = text(
    f"""
    WITH point AS (
        SELECT d.id AS debtor_id, own.channel, own.address
        FROM debtor d CROSS JOIN LATERAL (VALUES
            ('EMAIL', d.email), ('SMS', d.phone), ('WHATSAPP', d.phone), ('VOICE', d.phone),
            ('LETTER', d.postal_address)
        ) AS own (channel, address)
        WHERE d.tenant_id = :tenant_id AND d.id = ANY(:debtor_ids) AND own.address IS NOT NULL
        UNION
        SELECT debtor_id, channel, address FROM contact_point
        WHERE tenant_id = :tenant_id AND debtor_id = ANY(:debtor_ids)
    ), heard AS (
        SELECT c.debtor_id, c.channel,
               max(c.sent_at) FILTER (WHERE {_BOUNCED}) AS bounced_sent_at,
               max(c.bounced_hard_at) FILTER (WHERE {_BOUNCED}) AS bounced_at,
               max(c.sent_at) FILTER (WHERE {_DELIVERED}) AS delivered_sent_at,
               max(c.unsubscribed_at) FILTER (WHERE c.unsubscribed_at <= :known) AS unsubscribed_at
        FROM communication c
        WHERE c.tenant_id = :tenant_id AND c.debtor_id = ANY(:debtor_ids)
          AND c.direction = 'OUTBOUND' AND c.sent_at <= :known
        GROUP BY c.debtor_id, c.channel
    )
    SELECT point.debtor_id, point.channel, stated.consented_at,
           GREATEST(CASE WHEN stated.opted_out_at <= :known THEN stated.opted_out_at END, heard.unsubscribed_at)
               AS opted_out_at,
           CASE WHEN heard.delivered_sent_at IS NULL OR heard.delivered_sent_at < heard.bounced_sent_at
                THEN heard.bounced_at END AS hard_bounced_at
    FROM point
    LEFT JOIN contact_point stated
        ON stated.tenant_id = :tenant_id AND stated.debtor_id = point.debtor_id
        AND stated.channel = point.channel AND stated.address = point.address
    LEFT JOIN heard ON heard.debtor_id = point.debtor_id AND heard.channel = point.channel
    """
).bindparams(*_TYPED)

_REQUESTS = text(
    """
    SELECT debtor_id, kind, channel, from_hour, to_hour, until, made_at FROM contact_request
    WHERE tenant_id = :tenant_id AND debtor_id = ANY(:debtor_ids) AND made_at <= :known
    """
).bindparams(*_TYPED)


async def reachability(
    connection: AsyncConnection, tenant_id: int, debtor_ids: Sequence[int], *, known: datetime
) -> Mapping[int, Reachability]:
    """For each debtor that there is: zone, addresses and requests, from the facts up to `known`."""
    wanted = {"tenant_id": tenant_id, "debtor_ids": list(debtor_ids)}
    zones = {row.id: row.time_zone for row in await connection.execute(_ZONES, wanted)}
    addresses: dict[int, list[Address]] = {debtor_id: [] for debtor_id in zones}
    for row in await connection.execute(_ADDRESSES, {**wanted, "known": known}):
        addresses[row.debtor_id].append(
            Address(Channel(row.channel), row.consented_at, row.opted_out_at, row.hard_bounced_at)
        )
    requests: dict[int, list[ContactRequest]] = {debtor_id: [] for debtor_id in zones}
    for row in await connection.execute(_REQUESTS, {**wanted, "known": known}):
        channel = Channel(row.channel) if row.channel else None
        requests[row.debtor_id].append(
            ContactRequest(
                ContactRequestKind(row.kind), row.made_at, channel, row.from_hour, row.to_hour, row.until
            )
        )
    return {
        debtor_id: Reachability(zone, tuple(addresses[debtor_id]), tuple(requests[debtor_id]))
        for debtor_id, zone in zones.items()
    }


async def zones_by_segment(connection: AsyncConnection, tenant_id: int) -> Mapping[str, frozenset[str]]:
    """The time zones in which the debtors of each segment live."""
    rows = await connection.execute(_ZONES_OF_SEGMENTS, {"tenant_id": tenant_id})
    return {row.segment_key: frozenset(row.zones) for row in rows}
