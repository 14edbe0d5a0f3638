"""What small portfolios about one oddity each are made of, and how their KPIs are asked for."""

from datetime import UTC, datetime

from domain.kpis.agents import AgentKpiRow
from domain.kpis.messages import MessageKpiRow
from domain.kpis.portfolio import PortfolioKpis
from domain.kpis.requests import AgentDimension, MessageDimension, MessageKpiWhere, Period
from domain.storage.kpis.agents import agent_kpis
from domain.storage.kpis.messages import message_kpis
from domain.storage.kpis.portfolio import portfolio_kpis
from domain.storage.sessions import Database
from tests.domain.storage.kpis.imported import NOW, Imported

MARCH = Period(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))

DEBTOR = {"reference": "D1", "name": "Ana", "country": "ES", "time_zone": "Europe/Madrid", "segment": "OWN"}
ACCOUNT = {
    "reference": "A1",
    "debtor": "D1",
    "product": "CARD",
    "currency": "EUR",
    "principal": "100.00",
    "opened_on": "2025-12-01",
    "due_on": "2026-02-01",
    "closed_on": "",
    "agent": "",
}
MAIL = {
    "reference": "C1",
    "debtor": "D1",
    "account": "A1",
    "channel": "EMAIL",
    "direction": "OUTBOUND",
    "agent": "",
    "sent_at": "2026-03-10T10:00:00Z",
    "cost": "0.50",
    "currency": "EUR",
}
AGENT = {"reference": "G1", "name": "Eva", "team": "T1", "active_from": "2025-01-01", "active_to": ""}
PAYMENT = {
    "reference": "P1",
    "account": "A1",
    "amount": "40.00",
    "currency": "EUR",
    "paid_at": "2026-03-12T10:00:00Z",
    "communication": "",
    "reversed_at": "",
}
PROMISE = {
    "reference": "R1",
    "account": "A1",
    "amount": "30.00",
    "currency": "EUR",
    "promised_at": "2026-03-02T10:00:00Z",
    "due_on": "2026-03-20",
    "direction": "OUTBOUND",
    "agent": "",
    "communication": "",
}


def event(reference: str, kind: str, at: str, communication: str = "C1", **more: str) -> dict[str, str]:
    return {
        "reference": reference,
        "debtor": "D1",
        "communication": communication,
        "kind": kind,
        "occurred_at": at,
        "automated": "false",
        "source": "",
        **more,
    }


Tables = dict[str, list[dict[str, str]]]


class Asked:
    """A portfolio of a few rows, and what its KPIs are."""

    def __init__(self, database: Database, imported: Imported) -> None:
        self.database, self.imported = database, imported

    async def messages(
        self,
        *by: MessageDimension,
        period: Period = MARCH,
        as_of: datetime = NOW,
        where: MessageKpiWhere | None = None,
    ) -> list[MessageKpiRow]:
        async with self.database.transaction(self.imported.tenant_id) as connection:
            return await message_kpis(
                connection, self.imported.tenant_id, period=period, by=by, where=where, as_of=as_of
            )

    async def message(self, *, period: Period = MARCH, as_of: datetime = NOW) -> MessageKpiRow:
        (row,) = await self.messages(period=period, as_of=as_of)
        return row

    async def agent(
        self, by: AgentDimension = AgentDimension.ALL, *, period: Period = MARCH, as_of: datetime = NOW
    ) -> AgentKpiRow:
        async with self.database.transaction(self.imported.tenant_id) as connection:
            rows = await agent_kpis(connection, self.imported.tenant_id, period=period, by=by, as_of=as_of)
        return rows[0]

    async def portfolio(self, *, period: Period = MARCH, as_of: datetime = NOW) -> PortfolioKpis:
        async with self.database.transaction(self.imported.tenant_id) as connection:
            (row,) = await portfolio_kpis(connection, self.imported.tenant_id, period=period, as_of=as_of)
        return row


def at(day: str) -> datetime:
    return datetime.fromisoformat(day)
