"""The ways to reach a debtor, each with its status; usable ones are those of `domain.storage.usable_channels`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Integer, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.storage.known_points import known_points
from domain.vocabulary import Channel, ContactPointStatus


def shown_points(*, tenant: str, debtors: str, known: str) -> str:
    """SELECT of all that is shown of contact points, by debtor, channel and address; arguments as of `known_points`."""
    stated = ("verified_at", "consented_at", "opted_out_at")
    points = known_points(
        *("debtor_id", "channel", "address", *stated, "refused_at", "hard_bounced_at"),
        tenant=tenant,
        debtors=debtors,
        known=known,
    )
    return f"{points} ORDER BY point.debtor_id, point.channel, point.address"


_READ = text(shown_points(tenant=":tenant_id", debtors="= ANY(:debtor_ids)", known=":now")).bindparams(
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
