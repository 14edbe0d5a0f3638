"""An address may be wrong so many times a minute; whoever was let in before goes on beside it."""

from datetime import timedelta

import httpx
import pytest

from api.auth import BELIEVED
from api.callers import RateLimited
from api.failed_logins import FailedLogins
from api.http import create_app
from api.settings import Settings
from tests.api.http.clock import Clock
from tests.api.portfolio import Api

QUERY = {"query": "{ segments { key } }"}
WRONG = "dw_1_" + "a" * 42


@pytest.fixture
def strict_app(services, clock: Clock):
    return create_app(services, Settings(failed_logins=3), clock=clock)


def client_at(app, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://dunwell.test")


async def status(client: httpx.AsyncClient, key: str) -> int:
    return (await Api(client, key).post(QUERY)).status_code


async def test_guesses_are_refused_unlooked_at_and_nobody_else_is(
    strict_app, api_of, tenant_id: int, clock
) -> None:
    good, new = [(await api_of(tenant_id)).key for _ in range(2)]
    async with client_at(strict_app, "192.0.2.7") as here, client_at(strict_app, "192.0.2.8") as elsewhere:
        assert await status(here, good) == 200
        assert [await status(here, f"{WRONG}{guess}") for guess in "abcde"] == [401, 401, 401, 429, 429]
        refused = await Api(here, new).post(QUERY)
        assert refused.status_code == 429
        (error,) = refused.json()["errors"]
        assert error["extensions"]["code"] == "RATE_LIMITED"
        assert "3 keys or tokens from this address" in error["message"]
        clock.now += BELIEVED  # it is looked at again
        assert await status(here, good) == 200
        assert await status(elsewhere, new) == 200
        assert (await here.post("/graphql", json=QUERY)).status_code == 401  # no guess at all
        clock.now += timedelta(seconds=int(refused.headers["retry-after"]))
        assert await status(here, new) == 200


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        (None, "", True),
        ("testclient", "testclient", True),
    ],
)
def test_an_address_stands_for_its_owner(clock: Clock, first, second, same: bool) -> None:
    failures = FailedLogins(1, clock)
    failures.note(first)
    if same:
        with pytest.raises(RateLimited):
            failures.check(second)
    else:
        failures.check(second)
