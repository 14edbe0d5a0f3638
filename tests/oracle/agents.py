"""Agent KPIs, agent by agent. Source: kpis.md, Agent KPIs and State of accounts and promises."""

from collections import defaultdict
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from tests.oracle.accounts import Account, accounts, moment_before
from tests.oracle.knowledge import look_back, naive
from tests.oracle.reading import Reading


def agent_kpis(
    reading: Reading, start: datetime, end: datetime, *, by: str, as_of: datetime
) -> dict[str | None, dict[str, Any]]:
    """Agent or team → figures; for ALL, None → figures."""
    look_back(reading, as_of)
    first, until, known = naive(start), naive(end), naive(as_of)
    last = min(until, known)
    members = {
        reference: (
            team,
            active_from <= moment_before(last).date()
            and not (active_to and active_to < moment_before(last).date()),
        )
        for reference, team, active_from, active_to in reading.rows(
            "SELECT reference, team, active_from, active_to FROM agents"
        )
    }
    sums: defaultdict[Any, dict[str, Any]] = defaultdict(
        lambda: defaultdict(int, collected=defaultdict(Decimal))
    )

    def groups(agent: str | None) -> list[str | None]:
        if by == "ALL":
            return [None]
        if agent is None:
            return []
        return [agent if by == "AGENT" else members[agent][0]]

    for agent, (_, active) in members.items():
        for group in groups(agent):
            sums[group]["active_agents"] += active
    held = accounts(reading)
    for account in held:
        for group in groups(account.agent):
            sums[group]["accounts"] += account.delinquent(last)
            for payment in account.paid:
                if first <= payment.at < until and payment.stands(known):
                    sums[group]["collected"][account.currency] += payment.amount
    for agent, reached in reading.rows(
        "SELECT agent, reference IN (SELECT communication FROM k_events WHERE kind = 'RIGHT_PARTY_CONTACTED') "
        "FROM k_communications WHERE channel = 'VOICE' AND direction = 'OUTBOUND' AND sent_at >= ? AND sent_at < ?",
        first,
        until,
    ):
        for group in groups(agent):
            sums[group]["outbound_calls"] += 1
            sums[group]["right_party_contacts"] += bool(reached)
    for agent, direction, status in _promises(reading, held, first, until, known):
        for group in groups(agent):
            sums[group][f"{direction.lower()}_promises"] += 1
            sums[group][f"{direction.lower()}_promises_{status.lower()}"] += 1
    return {group: _finish(figures) for group, figures in sums.items()}


def _promises(
    reading: Reading, held: list[Account], first: datetime, until: datetime, known: datetime
) -> list[tuple[str | None, str, str]]:
    """(agent, direction, status) of the promises made in the period."""
    made: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for account, amount, at, due_on, direction, own, called in reading.rows(
        "SELECT p.account, p.amount, p.promised_at, p.due_on, p.direction, p.agent, c.agent FROM k_promises p "
        "LEFT JOIN k_communications c ON c.reference = p.communication ORDER BY p.promised_at, p.reference"
    ):
        made[account].append(
            {"left": amount, "at": at, "due_on": due_on, "direction": direction, "agent": own or called}
        )
    found = []
    for account in held:
        promises = made[account.reference]
        for promise in promises:
            midnight = datetime.combine(
                promise["due_on"] + timedelta(days=reading.settings.grace_days + 1), time(), account.zone
            )
            promise["breaks"] = midnight.astimezone(UTC).replace(tzinfo=None)
        for payment in account.paid:
            if payment.stands(known):
                _fill(promises, payment.at, payment.amount)
        for promise in promises:
            if first <= promise["at"] < until:
                status = (
                    "KEPT" if promise["left"] == 0 else "BROKEN" if promise["breaks"] <= known else "PENDING"
                )
                found.append((promise["agent"] or account.agent, promise["direction"], status))
    return found


def _fill(promises: list[dict[str, Any]], at: datetime, money: Decimal) -> None:
    for promise in promises:
        if promise["at"] <= at < promise["breaks"]:
            taken = min(money, promise["left"])
            promise["left"] -= taken
            money -= taken


def _finish(figures: dict[str, Any]) -> dict[str, Any]:
    def share(top: int, bottom: int) -> float | None:
        return top / bottom if bottom else None

    active, reached = figures["active_agents"], figures["right_party_contacts"]
    finished = {
        name: figures[name]
        for name in (
            "active_agents",
            "accounts",
            "outbound_calls",
            "right_party_contacts",
            "inbound_promises",
            "inbound_promises_kept",
            "outbound_promises",
            "outbound_promises_kept",
        )
    }
    for way in ("inbound", "outbound"):
        kept, broken = figures[f"{way}_promises_kept"], figures[f"{way}_promises_broken"]
        finished[f"{way}_promises_kept_rate"] = share(kept, kept + broken)
    return finished | {
        "accounts_per_agent": share(figures["accounts"], active),
        "collected": dict(figures["collected"]),
        "collected_per_agent": {c: m / active for c, m in figures["collected"].items()} if active else {},
        "right_party_contact_rate": share(reached, figures["outbound_calls"]),
        "outbound_promises_kept_per_contact": share(figures["outbound_promises_kept"], reached),
    }
