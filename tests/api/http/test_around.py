"""Probes, metrics, the IDE, CORS, the log: what stands around the endpoint."""

import json
import uuid
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import psycopg
import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.engine import make_url

from api.graphql.types.debtors import Debtor
from api.http import create_app
from api.logs import configure_logs
from api.services import Services
from api.settings import Settings
from domain.storage.sessions import Database
from tests.api.portfolio import NOW, Api


async def test_health_and_readiness(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json() == {"status": "ok"}


async def test_not_ready_without_a_database(services: Services) -> None:
    gone = Database("postgresql://nobody@127.0.0.1:1/nothing")
    cut_off = replace(services, database=gone)
    app = create_app(cut_off, Settings(), clock=lambda: NOW)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://dunwell.test"
    ) as client:
        before = await _failures(client)
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.post(
            "/graphql", json={"query": "{ a }"}, headers={"Authorization": "Bearer dw_1_" + "a" * 43}
        )
        assert answer.status_code == 503
        assert answer.json()["errors"][0]["extensions"]["code"] == "DATABASE_UNREACHABLE"
        assert "127.0.0.1" not in answer.text
        assert await _failures(client) == before + 2  # the probe's and the request's
    await gone.close()


async def _failures(client: httpx.AsyncClient) -> float:
    metrics = (await client.get("/metrics")).text
    (line,) = [line for line in metrics.splitlines() if line.startswith("dunwell_internal_errors_total ")]
    return float(line.split()[1])


async def test_not_ready_where_nothing_can_be_written(services: Services, owner_url: str) -> None:
    login = f"reader_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'plain' IN ROLE dunwell_app")
        connection.execute(f"ALTER ROLE {login} SET default_transaction_read_only = on")
    standby = Database(
        make_url(owner_url).set(username=login, password="plain").render_as_string(hide_password=False)
    )
    app = create_app(replace(services, database=standby), Settings(), clock=lambda: NOW)
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://dunwell.test"
        ) as client:
            answer = await client.get("/readyz")
    finally:
        await standby.close()
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute(f"DROP ROLE {login}")
    assert (answer.status_code, answer.json()["database"]) == (503, "DATABASE_READ_ONLY")


async def test_metrics_count_requests_by_route_and_status(services: Services) -> None:
    app = create_app(services, Settings(), clock=lambda: NOW)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://dunwell.test"
    ) as client:
        await client.post("/graphql", json={"query": "{ a }"})
        await client.get("/debtor/Jane.Doe@example.org")
        metrics = (await client.get("/metrics")).text
    assert 'dunwell_http_requests_total{method="POST",route="/graphql",status="401"} 1.0' in metrics
    assert 'dunwell_http_requests_total{method="GET",route="other",status="404"} 1.0' in metrics
    assert "Jane" not in metrics


async def test_the_ide_loads_from_here_alone_and_knows_the_three_users(client: httpx.AsyncClient) -> None:
    page = await client.get("/graphql", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.status_code == 200
    assert "https://" not in page.text
    for name in ("react.js", "react-dom.js", "graphiql.js", "graphiql.css", "start.js"):
        assert f"/ide/{name}" in page.text
        asset = await client.get(f"/ide/{name}")
        assert asset.status_code == 200
        assert len(asset.content) > 1000
    start = (await client.get("/ide/start.js")).text
    assert all(said in start for said in ("Front-end teams", "Campaign tools", "Ops"))
    assert (await client.get("/ide/..%2fide.py")).status_code == 404


async def test_the_queries_in_the_ide_are_good(client: httpx.AsyncClient, api: Api) -> None:
    start = (await client.get("/ide/start.js")).text
    queries = [part.split("`")[0] for part in start.split("= `#")[1:]]
    assert len(queries) == 3
    for query in queries:
        await api.ask("#" + query, first=2)


async def test_cors_is_off_unless_configured(client: httpx.AsyncClient, services: Services) -> None:
    asking = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in (await client.options("/graphql", headers=asking)).headers
    app = create_app(
        services, Settings(cors_origins="https://shop.example, https://b.example"), clock=lambda: NOW
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://dunwell.test"
    ) as own:
        allowed = await own.options("/graphql", headers=asking)
        assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
        refused = await own.options("/graphql", headers={**asking, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in refused.headers
        for forbidden in (
            {"Access-Control-Request-Method": "DELETE"},
            {"Access-Control-Request-Headers": "x-y"},
        ):
            assert (await own.options("/graphql", headers={**asking, **forbidden})).status_code == 400
        wanted = {**asking, "Access-Control-Request-Headers": "authorization, content-type"}
        assert (await own.options("/graphql", headers=wanted)).status_code == 200


async def test_an_answer_to_another_origin_may_be_read_but_never_with_credentials(
    api: Api, services: Services
) -> None:
    app = create_app(services, Settings(cors_origins="https://shop.example"), clock=lambda: NOW)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://dunwell.test"
    ) as client:
        for origin, may_read in (
            ("https://shop.example", True),
            ("https://evil.example", False),
            ("null", False),
        ):
            for headers in ({"Authorization": f"Bearer {api.key}"}, {"Cookie": "session=1"}):  # good, refused
                response = await client.post(
                    "/graphql", json={"query": "{ segments { key } }"}, headers={"Origin": origin, **headers}
                )
                allowed = response.headers.get("access-control-allow-origin")
                assert allowed == (origin if may_read else None)
                assert "access-control-allow-credentials" not in response.headers
                assert response.status_code == (200 if "Authorization" in headers else 401)
                assert "Origin" in response.headers.get("vary", "") or not may_read


async def test_an_internal_error_is_masked_and_found_in_the_log_by_its_id(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret of Jane Doe")

    monkeypatch.setattr(Debtor, "of", fail)
    with structlog.testing.capture_logs() as logged:
        error = await api.error('{ debtorByReference(reference: "D0000010") { name attributes } }')
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    (entry,) = [line for line in logged if line["event"] == "internal_error"]
    assert entry["error_id"] == error["extensions"]["errorId"]
    assert entry["kind"] == "builtins.RuntimeError"
    assert any(frame.startswith("test_around.py") for frame in entry["frames"])
    assert "Jane" not in json.dumps([error, logged], default=str)


async def test_an_answer_that_is_no_json_is_an_internal_error_too(
    api_of, new_tenant, database: Database
) -> None:
    tenant_id = new_tenant()
    own = await api_of(tenant_id)
    await own.ask(
        'mutation { upsertDebtors(input: [{reference: "D1", name: "Ana", country: "ES"}]) { accepted } }'
    )
    deep = "[" * 300 + "]" * 300  # what no import takes, and nothing writes as JSON again
    async with database.transaction(tenant_id) as connection:
        await connection.execute(
            text("UPDATE debtor SET attributes = CAST(:deep AS jsonb)"), {"deep": f'{{"x_a": {deep}}}'}
        )
    error = await own.error('{ debtorByReference(reference: "D1") { attributes } }')
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"


async def test_the_access_log_has_who_and_how_long_but_not_what(api: Api) -> None:
    with structlog.testing.capture_logs() as logged:
        await api.ask("query ($r: String!) { debtorByReference(reference: $r) { name } }", r="Jane-Doe-7")
    (entry,) = [line for line in logged if line["event"] == "request"]
    assert entry["status"] == 200
    assert entry["tenant"] == int(api.key.split("_")[1])
    assert entry["milliseconds"] > 0
    assert "Jane" not in json.dumps(logged, default=str)


async def test_where_nobody_reads_the_log_on_a_terminal_each_line_is_a_json_object(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs()
    try:
        await api.ask("{ segments { key } }")
    finally:
        structlog.reset_defaults()
    (entry,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert entry["event"] == "request"
    assert entry["status"] == 200
    assert datetime.fromisoformat(entry["timestamp"]).utcoffset() == timedelta(0)
