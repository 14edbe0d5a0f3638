"""So many requests a minute per key, told in headers, refused with 429 beyond."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise

import httpx
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from api.callers import Caller, RateLimited
from api.http import create_app
from api.http.rates import WINDOW_SECONDS, Rates
from api.settings import Settings
from domain.vocabulary import Role
from tests.api.http.clock import Clock
from tests.api.http.sockets import websocket
from tests.api.portfolio import Api

QUERY = "{ segments { key } }"


@pytest.fixture
def app(services, clock: Clock):
    return create_app(services, Settings(rate_limit=3, cors_origins="https://desk.example"), clock=clock)


@pytest_asyncio.fixture(loop_scope="session")
async def client(app) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://dunwell.test"
    ) as client:
        yield client


async def test_beyond_the_limit_requests_are_refused_and_nothing_runs(
    client, api_of, tenant_id: int, clock
) -> None:
    api = Api(client, (await api_of(tenant_id)).key)
    for remaining in (2, 1, 0):
        response = await api.post({"query": QUERY})
        assert response.status_code == 200
        assert response.headers["ratelimit-limit"] == "3"
        assert response.headers["ratelimit-remaining"] == str(remaining)
        assert response.headers["ratelimit-reset"] == str(60 - 20 * remaining)
        assert response.headers["ratelimit-policy"] == "3;w=60"
    mutation = 'mutation { upsertDebtors(input: [{reference: "D", name: "A", country: "ES"}]) { accepted } }'
    refused = await api.post({"query": mutation})
    assert refused.status_code == 429
    (error,) = refused.json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert "3 requests in 60 seconds" in error["message"]
    assert "data" not in refused.json()
    assert refused.headers["ratelimit-remaining"] == "0"
    wait = int(refused.headers["retry-after"])
    clock.now += timedelta(seconds=wait)
    answer = await api.ask("{ debtors { totalCount } }")
    assert answer["debtors"]["totalCount"] == 0
    assert (await api.post({"query": QUERY})).status_code == 429


async def test_each_key_has_its_own_and_bad_requests_count(client, api_of, tenant_id: int) -> None:
    one, other = [Api(client, (await api_of(tenant_id, Role.READER)).key) for _ in range(2)]
    for body in ({"query": "{"}, ["batch"], {"query": 7}):
        response = await one.post(body)
        assert response.status_code < 429
        assert "ratelimit-remaining" in response.headers
    assert (await one.post({"query": QUERY})).status_code == 429
    assert (await other.post({"query": QUERY})).status_code == 200
    nobody = await client.post("/graphql", json={"query": QUERY})
    assert nobody.status_code == 401
    assert "ratelimit-limit" not in nobody.headers


async def test_operations_of_a_socket_count_too(app, client, api_of, tenant_id: int) -> None:
    key = (await api_of(tenant_id)).key
    codes = []
    async with websocket(app, authorization=f"Bearer {key}") as socket:
        await socket.send({"type": "connection_init"})
        await socket.receive()
        for number in range(4):
            await socket.send({"type": "subscribe", "id": str(number), "payload": {"query": QUERY}})
            frame = await socket.receive()
            codes.append(frame["payload"][0]["extensions"]["code"] if frame["type"] == "error" else None)
            if frame["type"] == "next":
                assert (await socket.receive())["type"] == "complete"
    assert codes == [None, None, None, "RATE_LIMITED"]
    assert (await Api(client, key).post({"query": QUERY})).status_code == 429


async def test_a_browser_of_another_origin_may_read_the_headers(client, api_of, tenant_id: int) -> None:
    api = Api(client, (await api_of(tenant_id)).key)
    response = await api.post({"query": QUERY}, Origin="https://desk.example")
    exposed = response.headers["access-control-expose-headers"].lower()
    assert {"ratelimit-remaining", "retry-after"} <= {name.strip() for name in exposed.split(",")}


@given(limit=st.integers(1, 50), gaps=st.lists(st.floats(0, 30), min_size=1, max_size=120))
def test_in_any_window_at_most_twice_the_limit_and_over_time_the_limit(limit: int, gaps: list[float]) -> None:
    """A bucket of one window's worth that fills in one window: what passes is bounded, and who waits as told passes."""
    clock, caller = Clock(), Caller(1, Role.READER, 1)
    rates, passed = Rates(limit, clock), []
    for gap in gaps:
        clock.now += timedelta(seconds=gap)
        try:
            rates.take(caller)
            passed.append(clock.now)
        except RateLimited as refused:
            clock.now += timedelta(seconds=int(refused.headers["Retry-After"]))
            rates.take(caller)
            passed.append(clock.now)
    for first in passed:
        window = [at for at in passed if timedelta(0) <= at - first < timedelta(seconds=WINDOW_SECONDS)]
        assert len(window) <= 2 * limit
    whole = (passed[-1] - passed[0]).total_seconds()
    assert len(passed) <= limit + whole / WINDOW_SECONDS * limit + 1
    assert all(a <= b for a, b in pairwise(passed))


def test_a_clock_that_is_put_back_locks_nobody_out_for_longer_than_a_window() -> None:
    clock, caller = Clock(), Caller(1, Role.READER, 1)
    rates = Rates(2, clock)
    rates.take(caller)
    rates.take(caller)
    clock.now -= timedelta(days=1)
    with pytest.raises(RateLimited):
        rates.take(caller)
    clock.now += timedelta(seconds=WINDOW_SECONDS)
    rates.take(caller)
