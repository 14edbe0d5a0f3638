"""Agent KPIs per agent, per team and for all. Source: kpis.md, Agent KPIs."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kpis.agents import AgentKpiRow
from domain.kpis.requests import AgentDimension, Period
from domain.storage.kpis.account_states import ACCOUNT_STATES, state_parameters
from domain.storage.kpis.promises import resettled_promises
from domain.storage.kpis.scans import scanning
from domain.vocabulary import Direction

_AGENTS = text(
    """
    SELECT id, reference, name, team,
        active_from <= :last_day AND (active_to IS NULL OR active_to >= :last_day) AS active
    FROM agent WHERE tenant_id = :tenant_id ORDER BY reference
    """
)

# Rows of part, agent, currency, amount and counts. A promise stands as stored or, where that does not tell, as given in
# `resettled`; its agent is its own, else its communication's, else its account's.
_STATEMENT = text(
    f"""
    WITH {ACCOUNT_STATES},
    pledge AS (
        SELECT pr.direction, coalesce(pr.agent_id, c.agent_id, a.agent_id) AS agent_id,
            coalesce(r.status, CASE WHEN pr.kept_at <= :as_of THEN 'KEPT' WHEN pr.deadline <= :as_of THEN 'BROKEN' END)
                AS status
        FROM promise pr
        JOIN account a ON a.tenant_id = pr.tenant_id AND a.id = pr.account_id
        LEFT JOIN communication c ON c.tenant_id = pr.tenant_id AND c.id = pr.communication_id AND c.sent_at <= :as_of
        LEFT JOIN unnest(CAST(:resettled_ids AS bigint[]), CAST(:resettled_statuses AS text[])) AS r (id, status)
            ON r.id = pr.id
        WHERE pr.tenant_id = :tenant_id AND pr.promised_at >= :period_start AND pr.promised_at < :period_end
          AND pr.promised_at <= :as_of
    )
    SELECT 'accounts' AS part, agent_id, NULL AS currency, NULL::numeric AS amount, ARRAY[count(*)] AS counts
        FROM state WHERE end_open AND end_balance > 0 AND end_days > 0 GROUP BY agent_id
    UNION ALL
    SELECT 'collected', a.agent_id, p.currency, sum(p.amount), NULL
        FROM payment p JOIN account a ON a.tenant_id = p.tenant_id AND a.id = p.account_id
        WHERE p.tenant_id = :tenant_id AND p.paid_at >= :period_start AND p.paid_at < :period_end
          AND p.paid_at <= :as_of AND (p.reversed_at IS NULL OR p.reversed_at > :as_of)
        GROUP BY a.agent_id, p.currency
    UNION ALL
    SELECT 'calls', agent_id, NULL, NULL,
            ARRAY[count(*), count(*) FILTER (WHERE right_party_contacted_at <= :as_of)]
        FROM communication
        WHERE tenant_id = :tenant_id AND channel = 'VOICE' AND direction = 'OUTBOUND'
          AND sent_at >= :period_start AND sent_at < :period_end AND sent_at <= :as_of
        GROUP BY agent_id
    UNION ALL
    SELECT direction, agent_id, NULL, NULL, ARRAY[
            count(*), count(*) FILTER (WHERE status = 'KEPT'), count(*) FILTER (WHERE status = 'BROKEN')]
        FROM pledge GROUP BY direction, agent_id
    """
)

_COUNTED = {
    "accounts": ("accounts",),
    "calls": ("outbound_calls", "right_party_contacts"),
    Direction.INBOUND: ("inbound_promises", "inbound_promises_kept", "inbound_promises_broken"),
    Direction.OUTBOUND: ("outbound_promises", "outbound_promises_kept", "outbound_promises_broken"),
}


@dataclass(slots=True)
class _Figures:
    """Counts by name and money by currency, of one agent (or of no agent) or summed over several."""

    counts: Counter[str] = field(default_factory=Counter)
    collected: dict[str, Decimal] = field(default_factory=dict)

    def add(self, other: "_Figures") -> None:
        """Sum `other` into this."""
        self.counts.update(other.counts)
        for currency, amount in other.collected.items():
            self.collected[currency] = self.collected.get(currency, Decimal(0)) + amount


async def agent_kpis(
    connection: AsyncConnection,
    tenant_id: int,
    *,
    period: Period,
    by: AgentDimension = AgentDimension.AGENT,
    as_of: datetime,
) -> list[AgentKpiRow]:
    """One row per agent by reference, per team by name (agents without a team last, as one), or a single one for all.

    As known at `as_of`, but for agents' accounts, teams and times of activity, which are those of now. The caller has
    caught derived state up (`domain.storage.derived`) to the present.
    """
    parameters = state_parameters(tenant_id, period, as_of)
    last_day = parameters["last_moment"].astimezone(UTC).date()
    agents = (await connection.execute(_AGENTS, {"tenant_id": tenant_id, "last_day": last_day})).all()
    resettled = await resettled_promises(connection, tenant_id, period=period, as_of=as_of)
    async with scanning(connection):
        rows = await connection.execute(
            _STATEMENT,
            {
                **parameters,
                "period_start": period.start,
                "period_end": period.end,
                "as_of": as_of,
                "resettled_ids": list(resettled),
                "resettled_statuses": [str(status) for status in resettled.values()],
            },
        )
    figures = _figures(rows)
    for agent in agents:
        figures[agent.id].counts["active_agents"] += agent.active
    if by is AgentDimension.ALL:
        return [_row(_total(figures.values()))]
    if by is AgentDimension.AGENT:
        return [
            _row(
                figures[agent.id],
                agent_id=agent.id,
                agent=agent.reference,
                agent_name=agent.name,
                team=agent.team,
            )
            for agent in agents
        ]
    teams = sorted({agent.team for agent in agents}, key=lambda team: (team is None, team))
    return [
        _row(_total(figures[agent.id] for agent in agents if agent.team == team), team=team) for team in teams
    ]


def _figures(rows: Iterable[Any]) -> defaultdict[int | None, _Figures]:
    """Agent id (None: no agent) → figures."""
    figures: defaultdict[int | None, _Figures] = defaultdict(_Figures)
    for part, agent_id, currency, amount, counts in rows:
        if part == "collected":
            figures[agent_id].collected[currency] = amount
        else:
            figures[agent_id].counts.update(dict(zip(_COUNTED[part], counts, strict=True)))
    return figures


def _total(parts: Iterable[_Figures]) -> _Figures:
    total = _Figures()
    for part in parts:
        total.add(part)
    return total


def _row(figures: _Figures, **whose: Any) -> AgentKpiRow:
    given: dict[str, Any] = {**whose, **figures.counts}
    return AgentKpiRow(**given, collected=dict(sorted(figures.collected.items())))
