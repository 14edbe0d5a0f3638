"""Facts that are hard to write down: texts that JSON escapes, instants with every kind of fraction, every funnel."""

import random
from datetime import date, timedelta
from typing import Any

from domain.import_format import FORMAT
from domain.storage.ingest import merge
from domain.storage.ingest.items import items_chunk
from domain.storage.sessions import Database
from domain.vocabulary import Channel, Direction, EventKind
from tests.api.portfolio import NOW

DEBTORS = 40
TEXTS = (
    'with "quotes" and \\backslashes\\ and /slashes/',
    "tab\there",
    "Zoë Ñandú – 日本語 – 🦉 – \U0010ffff",
    "\x01\x1f\x7f\x80 and \u2028\u2029\ufeff",
    "%s {braces} :now $1 %(name)s '; --",
    "<script>&amp;</script>",
    "'single' ''twice''",
    "e\u0301",
)
#: Those that may stand in a reference.
REFERABLE = tuple(text for text in TEXTS if text.isprintable())
ZONES = ("Europe/Madrid", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu", "UTC")
AMOUNTS = ("0.01", "100", "100.00", "1234567.8901", "33.3", "0.5000")
CURRENCIES = ("EUR", "USD", "JPY")


def odd_facts(seed: int) -> dict[str, list[dict[str, Any]]]:
    """A portfolio at random, by import table."""
    return _Odd(random.Random(seed)).facts()


async def merge_odd_facts(database: Database, tenant_id: int, seed: int) -> None:
    """Store such a portfolio."""
    rejected: list[object] = []
    async with database.transaction(tenant_id) as connection:
        chunks = {name: [items_chunk(FORMAT[name], rows)] for name, rows in odd_facts(seed).items()}
        await merge(connection, tenant_id, chunks, now=NOW, on_rejection=rejected.append)
    assert not rejected, rejected[:5]


class _Odd:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def facts(self) -> dict[str, list[dict[str, Any]]]:
        agents = [
            {"reference": f"G{n}", "name": self._text(), "active_from": "2025-01-01", **self._maybe("team")}
            for n in range(5)
        ]
        debtors = [self._debtor(n) for n in range(DEBTORS)]
        self._references = [debtor["reference"] for debtor in debtors]
        accounts = [self._account(n) for n in range(DEBTORS * 2)]
        communications = [self._communication(n) for n in range(DEBTORS * 5)]
        return {
            "agents": agents,
            "debtors": debtors,
            "accounts": accounts,
            "contact_points": self._contact_points(),
            "communications": communications,
            "events": [self._event(n, communications) for n in range(DEBTORS * 10)],
            "payments": [self._payment(n, accounts) for n in range(DEBTORS)],
            "promises": [self._promise(n, accounts) for n in range(DEBTORS * 3)],
        }

    def _text(self) -> str:
        return f"{self._rng.choice(TEXTS)} {self._rng.randrange(100)}"

    def _maybe(self, *names: str) -> dict[str, str]:
        return {name: self._rng.choice(REFERABLE) for name in names if self._rng.random() < 0.6}

    def _instant(self, most_days: float = 120) -> str:
        back = timedelta(seconds=self._rng.randrange(int(most_days * 86_400)))
        fraction = timedelta(microseconds=self._rng.choice([0, 0, 1, 10, 500_000, 123_456, 999_990]))
        return (NOW - back - fraction).isoformat()

    def _day(self, back: int, ahead: int) -> date:
        return NOW.date() + timedelta(days=self._rng.randint(-back, ahead))

    def _debtor(self, number: int) -> dict[str, Any]:
        rng = self._rng
        return {
            "reference": f"D{number:03} {rng.choice(REFERABLE)}",
            "name": self._text(),
            "country": rng.choice(["ES", "US"]),
            "time_zone": rng.choice(ZONES),
            **({"email": f"d{number}@example.com"} if rng.random() < 0.7 else {}),
            **({"phone": f"+3460000{number:04}"} if rng.random() < 0.7 else {}),
            **({"postal_address": self._text()} if rng.random() < 0.3 else {}),
            **({"language": "es"} if rng.random() < 0.5 else {}),
            **({"segment": f"own {rng.randrange(3)}"} if rng.random() < 0.3 else {}),
        }

    def _account(self, number: int) -> dict[str, Any]:
        rng = self._rng
        opened = self._day(400, 0)
        return {
            "reference": f"A{number} {rng.choice(REFERABLE)}",
            "debtor": self._of(number),
            "product": rng.choice(["CARD", 'the "loan"']),
            "currency": rng.choice(CURRENCIES),
            "principal": rng.choice(AMOUNTS),
            "opened_on": str(opened),
            "due_on": str(opened + timedelta(days=rng.randint(0, 420))),
            **({"closed_on": str(self._day(5, 5))} if rng.random() < 0.2 else {}),
            **({"agent": f"G{rng.randrange(5)}"} if rng.random() < 0.5 else {}),
        }

    def _of(self, number: int) -> str:
        return self._references[number % len(self._references)]

    def _contact_points(self) -> list[dict[str, Any]]:
        rng = self._rng
        return [
            {
                "debtor": reference,
                "channel": rng.choice(list(Channel)).value,
                "address": self._text(),
                **{
                    name: self._instant()
                    for name in ("verified_at", "consented_at", "opted_out_at")
                    if rng.random() < 0.4
                },
            }
            for reference in self._references
            for _ in range(rng.randrange(3))
        ]

    def _communication(self, number: int) -> dict[str, Any]:
        rng = self._rng
        return {
            "reference": f"C{number} {rng.choice(REFERABLE)}",
            "debtor": self._of(rng.randrange(DEBTORS - 3)),
            "channel": rng.choice(list(Channel)).value,
            "direction": rng.choice(list(Direction)).value,
            "sent_at": self._instant(),
            **self._maybe("template", "campaign"),
            **({"cost": rng.choice(AMOUNTS), "currency": "EUR"} if rng.random() < 0.5 else {}),
            **({"agent": f"G{rng.randrange(5)}"} if rng.random() < 0.3 else {}),
        }

    def _event(self, number: int, communications: list[dict[str, Any]]) -> dict[str, Any]:
        rng = self._rng
        sent = rng.choice(communications)
        return {
            "reference": f"E{number}",
            "debtor": sent["debtor"],
            "communication": sent["reference"],
            "kind": rng.choice(list(EventKind)).value,
            "occurred_at": self._instant(60),
            "automated": rng.random() < 0.3,
        }

    def _payment(self, number: int, accounts: list[dict[str, Any]]) -> dict[str, Any]:
        rng = self._rng
        account = rng.choice(accounts)
        paid_at = self._instant(60)
        return {
            "reference": f"P{number}",
            "account": account["reference"],
            "amount": rng.choice(AMOUNTS),
            "currency": account["currency"],
            "paid_at": paid_at,
            **self._maybe("method"),
            **({"reversed_at": NOW.isoformat()} if rng.random() < 0.2 else {}),
        }

    def _promise(self, number: int, accounts: list[dict[str, Any]]) -> dict[str, Any]:
        rng = self._rng
        account = rng.choice(accounts)
        promised_at = self._instant()
        return {
            "reference": f"R{number} {rng.choice(REFERABLE)}",
            "account": account["reference"],
            "amount": rng.choice(AMOUNTS),
            "currency": account["currency"],
            "promised_at": promised_at,
            "due_on": str(date.fromisoformat(promised_at[:10]) + timedelta(days=rng.randint(1, 90))),
            "direction": rng.choice(list(Direction)).value,
            **({"agent": f"G{rng.randrange(5)}"} if rng.random() < 0.5 else {}),
        }
