"""Rounds of a worker: what goes wrong at one tenant keeps no other waiting, and is logged without its values."""

import asyncio
import threading
from collections.abc import Sequence

import structlog

from api.jobs import rounds
from api.jobs.rounds import TenantRounds
from domain.storage.outages import NoConnection
from domain.storage.sessions import Database


class _Stumbling(TenantRounds):
    """Fails at the first of three tenants, every time."""

    name = "stumbling"

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.taken: list[int] = []
        self.twice_round = threading.Event()

    async def tenants_to_do(self, database: Database) -> Sequence[int]:
        return (1, 2, 3)

    async def take_turn(self, database: Database, tenant_id: int) -> int:
        self.taken.append(tenant_id)
        if len(self.taken) == 6:
            self.twice_round.set()
        if tenant_id == 1:
            raise ValueError("could not read 'Jane Doe'")
        return 1


async def test_what_fails_at_one_tenant_keeps_no_other_waiting(owner_url: str, monkeypatch) -> None:
    monkeypatch.setattr(rounds, "FAILED_SECONDS", 0.01)
    stumbling = _Stumbling(owner_url)
    with structlog.testing.capture_logs() as logged:
        stumbling.start()
        assert await asyncio.to_thread(stumbling.twice_round.wait, 30)
        await asyncio.to_thread(stumbling.stop)
    assert stumbling.taken[:6] == [1, 2, 3, 1, 2, 3]
    assert logged[0]["field"] == ["stumbling", "1"]
    assert logged[0]["kind"] == "builtins.ValueError"
    assert "Jane" not in str(logged)


class _Unreached(_Stumbling):
    """Finds no database."""

    async def tenants_to_do(self, database: Database) -> Sequence[int]:
        self.twice_round.set()
        raise NoConnection("the database system is starting up")


async def test_that_the_database_is_away_is_logged_as_an_outage(owner_url: str) -> None:
    unreached = _Unreached(owner_url)
    with structlog.testing.capture_logs() as logged:
        unreached.start()
        assert await asyncio.to_thread(unreached.twice_round.wait, 30)
        await asyncio.to_thread(unreached.stop)
    assert {(line["event"], line.get("code")) for line in logged} == {
        ("database_outage", "DATABASE_UNREACHABLE")
    }
