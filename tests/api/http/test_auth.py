"""Keys: who is let in, as what, and for how long."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from api.auth import BELIEVED, Door, create_key
from api.callers import Unauthenticated
from api.http import create_app
from api.settings import Settings
from domain.storage.keys import revoke_key
from domain.storage.sessions import Database
from domain.vocabulary import Role
from tests.api.portfolio import NOW, Api

QUERY = "{ segments { key } }"


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        "Bearer dw_1_short",
        "Bearer dw_0_" + "a" * 43,
        "Bearer dw_999999999_" + "a" * 43,
        "Bearer dw_99999999999_" + "a" * 43,
        "Bearer dw_1_" + "a" * 43,
        "Bearer dw_1_" + "é" * 43,
    ],
)
async def test_nobody_is_let_in(client: httpx.AsyncClient, authorization) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode()}
    response = await client.post("/graphql", json={"query": QUERY}, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert "data" not in response.json()


async def test_an_expired_key_says_so(database: Database, client: httpx.AsyncClient, tenant_id: int) -> None:
    key = await create_key(database, tenant_id, Role.READER, expires_at=NOW, now=NOW - timedelta(days=1))
    response = await Api(client, key).post({"query": QUERY})
    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"]["code"] == "KEY_EXPIRED"


async def test_a_revoked_key_stops_working_within_seconds(
    database: Database, services, tenant_id: int
) -> None:
    clock = Clock()
    app = create_app(services, Settings(), clock=clock)
    key = await create_key(database, tenant_id, Role.READER, now=NOW)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://dunwell.test"
    ) as client:
        api = Api(client, key)
        assert (await api.post({"query": QUERY})).status_code == 200
        async with database.transaction(tenant_id) as connection:
            key_id = await connection.scalar(text("SELECT id FROM api_key"))
            assert await revoke_key(connection, tenant_id, key_id, now=clock.now)
            assert not await revoke_key(connection, tenant_id, key_id + 1, now=clock.now)
        clock.now += BELIEVED
        response = await api.post({"query": QUERY})
    assert response.status_code == 401
    assert response.json()["errors"][0]["extensions"]["code"] == "KEY_REVOKED"


async def test_a_key_is_not_believed_beyond_its_own_end(database: Database, tenant_id: int) -> None:
    clock = Clock()
    verifier = Door(database, clock)
    key = await create_key(database, tenant_id, Role.OPS, expires_at=NOW + timedelta(seconds=1), now=NOW)
    assert (await verifier.caller(f"bearer  {key}")).role is Role.OPS
    clock.now += timedelta(seconds=1)
    with pytest.raises(Unauthenticated):
        await verifier.caller(f"Bearer {key}")


async def test_only_a_hash_of_the_secret_is_kept(database: Database, tenant_id: int) -> None:
    key = await create_key(database, tenant_id, Role.READER, label="for the portal", now=NOW)
    async with database.transaction(tenant_id) as connection:
        row = (await connection.execute(text("SELECT k::text AS all_of_it FROM api_key k"))).one()
    assert key.split("_", 2)[2] not in row.all_of_it
    assert key.startswith(f"dw_{tenant_id}_")
