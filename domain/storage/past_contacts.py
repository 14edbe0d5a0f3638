"""Contacts that rules on how often count: those made, and those decided on that may still be made or be reported."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Boolean, DateTime, Integer, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.contact_rules import PastContact
from domain.vocabulary import Channel

# A conversation is when the right person was spoken with on the telephone, whoever called; so is a debtor's own call.
# The quiet after it begins when they spoke, which is later than when the call began, and may be reported of no call.
_MADE = text(
    """
    SELECT debtor_id, channel, sent_at AS at, direction = 'OUTBOUND' AS counted, direction = 'INBOUND' AS conversation
    FROM communication
    WHERE tenant_id = :tenant_id AND debtor_id = ANY(:debtor_ids) AND sent_at > :since AND sent_at <= :known
      AND (direction = 'OUTBOUND' OR channel = 'VOICE')
    UNION ALL
    SELECT debtor_id, source, occurred_at, false, true FROM event
    WHERE tenant_id = :tenant_id AND debtor_id = ANY(:debtor_ids) AND kind = 'RIGHT_PARTY_CONTACTED'
      AND source = 'VOICE' AND occurred_at > :since AND occurred_at <= :known
    """
)
_PLANNED = text(
    """
    SELECT debtor_id, action ->> 'channel' AS channel, CAST(action ->> 'send_at' AS timestamptz) AS at
    FROM decision d
    WHERE tenant_id = :tenant_id AND debtor_id = ANY(:debtor_ids) AND decided_at > :since
      AND (decided_at <= :known OR :whenever_decided)
      AND arm = 'PLANNED' AND CAST(action ->> 'send_at' AS timestamptz) > :forgotten
      AND NOT EXISTS (SELECT FROM communication c WHERE c.tenant_id = :tenant_id AND c.decision_id = d.id
                      AND c.sent_at <= :known)
    """
)
_TYPED = (
    bindparam("tenant_id", type_=Integer),
    bindparam("debtor_ids", type_=ARRAY(BigInteger)),
    bindparam("since", type_=DateTime(timezone=True)),
    bindparam("known", type_=DateTime(timezone=True)),
)
_TYPED_PLANNED = (
    *_TYPED,
    bindparam("forgotten", type_=DateTime(timezone=True)),
    bindparam("whenever_decided", type_=Boolean),
)
#: No decision plans further ahead: windows begin within 366 days, and their first ten weeks are looked at.
_FARTHEST_PLAN = timedelta(days=366 + 70)
_REPORTED_WITHIN = timedelta(days=1)
"""What was decided for an instant that has passed may have been sent without being recorded yet: so long it counts."""


async def past_contacts(
    connection: AsyncConnection,
    tenant_id: int,
    debtor_ids: Sequence[int],
    *,
    look_back: timedelta,
    known: datetime,
    whenever_decided: bool = False,
) -> Mapping[int, list[PastContact]]:
    """For each debtor the contacts made in the `look_back` before `known`, and those planned by then.

    Planned ones count until a day after their instant, or until the communication is recorded. whenever_decided: those
    decided as of a later instant than `known` too.
    """
    found: dict[int, list[PastContact]] = {debtor_id: [] for debtor_id in debtor_ids}
    wanted = {"tenant_id": tenant_id, "debtor_ids": list(debtor_ids), "known": known}
    for row in await connection.execute(_MADE.bindparams(*_TYPED), {**wanted, "since": known - look_back}):
        found[row.debtor_id].append(PastContact(Channel(row.channel), row.at, row.conversation, row.counted))
    wanted |= {"since": known - _FARTHEST_PLAN, "forgotten": known - _REPORTED_WITHIN}
    wanted["whenever_decided"] = whenever_decided
    for row in await connection.execute(_PLANNED.bindparams(*_TYPED_PLANNED), wanted):
        found[row.debtor_id].append(PastContact(Channel(row.channel), row.at, planned=True))
    return found
