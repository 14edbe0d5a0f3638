"""What the contact rules need to know of debtors, as known at an instant; never the addresses themselves."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.contact_rules import Address, ContactRequest, PastContact, Preset, Reachability
from domain.contact_rules.frequency import look_back
from domain.contact_rules.tenant_rules import presets_at, tenant_presets
from domain.storage.known_points import known_points
from domain.storage.past_contacts import past_contacts
from domain.storage.tables import tenant
from domain.vocabulary import Channel, ContactRequestKind

_TYPED = (
    bindparam("tenant_id", type_=Integer),
    bindparam("debtor_ids", type_=ARRAY(BigInteger)),
    bindparam("known", type_=DateTime(timezone=True)),
)

_PLACES = text(
    "SELECT id, time_zone, country, region FROM debtor WHERE tenant_id = :tenant_id AND id = ANY(:debtor_ids)"
).bindparams(*_TYPED[:2])

_ADDRESSES = text(
    known_points(
        *("debtor_id", "channel", "consented_at", "left_at", "hard_bounced_at"),
        tenant=":tenant_id",
        debtors="= ANY(:debtor_ids)",
        known=":known",
    )
).bindparams(*_TYPED)

_REQUESTS = text(
    """
    SELECT debtor_id, kind, channel, from_hour, to_hour, until, made_at FROM contact_request
    WHERE tenant_id = :tenant_id AND debtor_id = ANY(:debtor_ids) AND made_at <= :known
    """
).bindparams(*_TYPED)


async def reachability(
    connection: AsyncConnection,
    tenant_id: int,
    debtor_ids: Sequence[int],
    *,
    known: datetime,
    whenever_decided: bool = False,
) -> Mapping[int, Reachability]:
    """For each debtor that there is, in the order given: zone, addresses, requests, contacts and rules, from the facts
    up to `known`.

    whenever_decided: with the contacts decided as of later instants too, for whoever is about to log more of them. Two
    who decide at once take turns, and the first need not be the one whose `known` is the earlier.

    Raises:
        TenantRulesError: the tenant's own contact rules cannot be read.
    """
    wanted = {"tenant_id": tenant_id, "debtor_ids": list(debtor_ids)}
    own = await rules_of_tenant(connection, tenant_id)
    places = {row.id: row for row in await connection.execute(_PLACES, wanted)}
    presets = {debtor_id: presets_at(row.country, row.region, own) for debtor_id, row in places.items()}
    addresses = await _addresses(connection, {**wanted, "known": known})
    requests = await _requests(connection, {**wanted, "known": known})
    contacts = await _contacts(connection, tenant_id, presets, known, whenever_decided)
    return {
        debtor_id: Reachability(
            places[debtor_id].time_zone,
            tuple(addresses.get(debtor_id, ())),
            tuple(requests.get(debtor_id, ())),
            tuple(contacts.get(debtor_id, ())),
            presets[debtor_id],
        )
        for debtor_id in debtor_ids
        if debtor_id in places
    }


async def rules_of_tenant(connection: AsyncConnection, tenant_id: int) -> tuple[Preset, ...]:
    """What the tenant adds to every debtor's contact rules.

    Raises:
        TenantRulesError: its setting `contact_rules` cannot be read.
    """
    settings = await connection.scalar(select(tenant.c.settings).where(tenant.c.id == tenant_id))
    return tenant_presets((settings or {}).get("contact_rules"))


async def _addresses(connection: AsyncConnection, wanted: Mapping[str, Any]) -> Mapping[int, list[Address]]:
    found: dict[int, list[Address]] = {}
    for row in await connection.execute(_ADDRESSES, wanted):
        found.setdefault(row.debtor_id, []).append(
            Address(Channel(row.channel), row.consented_at, row.left_at, row.hard_bounced_at)
        )
    return found


async def _requests(
    connection: AsyncConnection, wanted: Mapping[str, Any]
) -> Mapping[int, list[ContactRequest]]:
    found: dict[int, list[ContactRequest]] = {}
    for row in await connection.execute(_REQUESTS, wanted):
        channel = Channel(row.channel) if row.channel else None
        found.setdefault(row.debtor_id, []).append(
            ContactRequest(
                ContactRequestKind(row.kind), row.made_at, channel, row.from_hour, row.to_hour, row.until
            )
        )
    return found


async def _contacts(
    connection: AsyncConnection,
    tenant_id: int,
    presets: Mapping[int, tuple[Preset, ...]],
    known: datetime,
    whenever_decided: bool,
) -> Mapping[int, list[PastContact]]:
    """Only of those whose rules count contacts."""
    reach = {debtor_id: look_back(bound) for debtor_id, bound in presets.items()}
    counted = [debtor_id for debtor_id, back in reach.items() if back]
    if not counted:
        return {}
    farthest = max(reach.values())
    return await past_contacts(
        connection,
        tenant_id,
        counted,
        look_back=farthest,
        known=known,
        whenever_decided=whenever_decided,
    )
