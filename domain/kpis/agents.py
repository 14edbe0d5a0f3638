"""Agent KPIs: what agents have in hand, reach and collect. Source: kpis.md, Agent KPIs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from domain.kpis.formulas import per, rate


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentKpiRow:
    """The figures of one agent (`agent_id`, `agent`, `team`), of one team (`team`), or of all (none of them)."""

    agent_id: int | None = None
    agent: str | None = None
    agent_name: str | None = None
    team: str | None = None
    active_agents: int = 0
    accounts: int = 0
    collected: Mapping[str, Decimal] = field(default_factory=dict)
    outbound_calls: int = 0
    right_party_contacts: int = 0
    inbound_promises: int = 0
    inbound_promises_kept: int = 0
    inbound_promises_broken: int = 0
    outbound_promises: int = 0
    outbound_promises_kept: int = 0
    outbound_promises_broken: int = 0

    @property
    def accounts_per_agent(self) -> float | None:
        """Assigned delinquent accounts / active agents."""
        return rate(self.accounts, self.active_agents)

    @property
    def collected_per_agent(self) -> dict[str, Decimal]:
        """Collected / active agents, per currency; empty when no agent is active."""
        shares = {currency: per(amount, self.active_agents) for currency, amount in self.collected.items()}
        return {currency: share for currency, share in shares.items() if share is not None}

    @property
    def right_party_contact_rate(self) -> float | None:
        """Calls that reached the debtor / outbound calls."""
        return rate(self.right_party_contacts, self.outbound_calls)

    @property
    def inbound_promises_kept_rate(self) -> float | None:
        """Kept / (kept + broken) of the promises debtors came with; pending ones are in neither."""
        return rate(self.inbound_promises_kept, self.inbound_promises_kept + self.inbound_promises_broken)

    @property
    def outbound_promises_kept_rate(self) -> float | None:
        """Kept / (kept + broken) of the promises agents obtained; pending ones are in neither."""
        return rate(self.outbound_promises_kept, self.outbound_promises_kept + self.outbound_promises_broken)

    @property
    def outbound_promises_kept_per_contact(self) -> float | None:
        """Kept outbound promises / calls that reached the debtor."""
        return rate(self.outbound_promises_kept, self.right_party_contacts)
