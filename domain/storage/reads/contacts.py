"""The ways to reach a debtor, each with its status; usable ones are those of `domain.storage.usable_channels`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Integer, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.addresses import hard_bounced_at, last_heard, own_addresses
from domain.storage.refusals import refusing_events
from domain.vocabulary import Channel, ContactPointStatus

# A debtor's own e-mail, phone and post stand beside the imported contact points; the same address is one point.
POINTS = f"""
    WITH wanted AS (
        SELECT id, email, phone, postal_address FROM debtor
        WHERE tenant_id = :tenant_id AND id = ANY(:debtor_ids)
    ), point AS (
        SELECT wanted.id AS debtor_id, own.channel, own.address
        FROM wanted CROSS JOIN LATERAL {own_addresses("wanted")}
        WHERE own.address IS NOT NULL
        UNION
        SELECT debtor_id, channel, address FROM contact_point
        WHERE tenant_id = :tenant_id AND debtor_id = ANY(:debtor_ids)
    ), heard AS (
        {last_heard(tenant=":tenant_id", debtors="= ANY(:debtor_ids)", known=":now")}
    ), told AS (
        {refusing_events(tenant=":tenant_id", debtors="= ANY(:debtor_ids)", known=":now")}
    )
    SELECT point.debtor_id, point.channel, point.address,
           CASE WHEN stored.verified_at <= :now THEN stored.verified_at END AS verified_at,
           CASE WHEN stored.consented_at <= :now THEN stored.consented_at END AS consented_at,
           CASE WHEN stored.opted_out_at <= :now THEN stored.opted_out_at END AS opted_out_at,
           told.refused_at,
           {hard_bounced_at("CASE WHEN stored.verified_at <= :now THEN stored.verified_at END")} AS hard_bounced_at
    FROM point
    LEFT JOIN contact_point AS stored
        ON stored.tenant_id = :tenant_id AND stored.debtor_id = point.debtor_id
        AND stored.channel = point.channel AND stored.address = point.address
    LEFT JOIN heard ON heard.debtor_id = point.debtor_id AND heard.channel = point.channel
    LEFT JOIN told ON told.debtor_id = point.debtor_id AND told.channel = point.channel
    ORDER BY point.debtor_id, point.channel, point.address
"""
_READ = text(POINTS).bindparams(
    bindparam("tenant_id", type_=Integer),
    bindparam("debtor_ids", type_=ARRAY(BigInteger)),
    bindparam("now", type_=DateTime(timezone=True)),
)


@dataclass(frozen=True, slots=True)
class ContactPointRow:
    """A way to reach a debtor and whether it can be used."""

    channel: Channel
    address: str
    status: ContactPointStatus
    verified_at: datetime | None
    consented_at: datetime | None
    opted_out_at: datetime | None


def opted_out_since(
    *, opted_out_at: datetime | None, refused_at: datetime | None, consented_at: datetime | None
) -> datetime | None:
    """When the debtor last refused the channel: by the stated opt-out or an event, unless consent came later."""
    refusals = [instant for instant in (opted_out_at, refused_at) if instant is not None]
    if not refusals or (consented_at is not None and consented_at > max(refusals)):
        return None
    return max(refusals)


def status_of(
    *,
    opted_out_at: datetime | None,
    hard_bounced_at: datetime | None,
    verified_at: datetime | None,
) -> ContactPointStatus:
    """OPTED_OUT, else BOUNCED, else VERIFIED or not; `hard_bounced_at` as `domain.storage.addresses` has it."""
    if opted_out_at is not None:
        return ContactPointStatus.OPTED_OUT
    if hard_bounced_at is not None:
        return ContactPointStatus.BOUNCED
    return ContactPointStatus.UNVERIFIED if verified_at is None else ContactPointStatus.VERIFIED


async def contact_points(
    connection: AsyncConnection, tenant_id: int, debtor_ids: Sequence[int], *, now: datetime
) -> Mapping[int, list[ContactPointRow]]:
    """Each debtor's contact points, by channel and address, with their status as known at `now`."""
    found: dict[int, list[ContactPointRow]] = {debtor_id: [] for debtor_id in debtor_ids}
    rows = await connection.execute(
        _READ, {"tenant_id": tenant_id, "debtor_ids": list(debtor_ids), "now": now}
    )
    for row in rows:
        opted_out_at = opted_out_since(
            opted_out_at=row.opted_out_at,
            refused_at=row.refused_at,
            consented_at=row.consented_at,
        )
        status = status_of(
            opted_out_at=opted_out_at,
            hard_bounced_at=row.hard_bounced_at,
            verified_at=row.verified_at,
        )
        found[row.debtor_id].append(
            ContactPointRow(
                Channel(row.channel), row.address, status, row.verified_at, row.consented_at, opted_out_at
            )
        )
    return found
