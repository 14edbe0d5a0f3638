"""The endpoint by the GraphQL-over-HTTP specification: media types, statuses, and requests that cannot be taken."""

import json

import httpx
import pytest
from starlette.applications import Starlette

from api.http.requests import JSON_TYPE, MAX_BODY, RESPONSE_TYPE, Refused, answered_type
from tests.api.portfolio import Api

GOOD = {"query": "{ segments { key } }"}


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JSON_TYPE),
        ("*/*", JSON_TYPE),
        ("application/*", JSON_TYPE),
        (JSON_TYPE, JSON_TYPE),
        (RESPONSE_TYPE, RESPONSE_TYPE),
        (f"{RESPONSE_TYPE}, {JSON_TYPE}", RESPONSE_TYPE),
        (f"{JSON_TYPE}, {RESPONSE_TYPE}", JSON_TYPE),
        (f"{JSON_TYPE};q=0.5, {RESPONSE_TYPE}", RESPONSE_TYPE),
        (f"{RESPONSE_TYPE}, {JSON_TYPE};q=0.9, text/event-stream", RESPONSE_TYPE),
        (f"{RESPONSE_TYPE};q=0, */*", JSON_TYPE),
        ("text/html, */*;q=0.1", JSON_TYPE),
    ],
)
def test_the_preferred_media_type_is_answered(accept, expected: str) -> None:
    assert answered_type(accept) == expected


def test_the_first_hundred_ranges_are_looked_at_and_no_more() -> None:
    """Whoever sends sixty thousand need not even have a key."""
    assert answered_type("text/html," * 99 + RESPONSE_TYPE) == RESPONSE_TYPE
    with pytest.raises(Refused):
        answered_type("text/html," * 100 + RESPONSE_TYPE)
    assert answered_type(RESPONSE_TYPE + ";a=b" * 8 + ";q=0," + JSON_TYPE + ";q=0.1") == JSON_TYPE
    assert answered_type(RESPONSE_TYPE + ";a=b" * 9 + ";q=0," + JSON_TYPE + ";q=0.1") == RESPONSE_TYPE


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "application/json;q=0", "nonsense"])
def test_a_type_we_do_not_speak_is_not_acceptable(accept: str) -> None:
    with pytest.raises(Refused) as refused:
        answered_type(accept)
    assert refused.value.status == 406


@pytest.mark.parametrize("media_type", [JSON_TYPE, RESPONSE_TYPE])
async def test_a_good_request_is_answered_in_the_type_asked_for(api: Api, media_type: str) -> None:
    response = await api.post(GOOD, Accept=media_type)
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
    assert response.json()["data"]["segments"]


BROKEN = [
    ({"query": "{ segments { key }"}, "GRAPHQL_PARSE_FAILED"),
    ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
    ({"query": "query ($v: Int!) { debtors(first: $v) { totalCount } }"}, "BAD_USER_INPUT"),
    (
        {"query": "query ($v: Int!) { debtors(first: $v) { totalCount } }", "variables": {"v": "x"}},
        "BAD_USER_INPUT",
    ),
]


@pytest.mark.parametrize(("body", "code"), BROKEN)
async def test_a_request_error_has_no_data_and_a_status_by_media_type(api: Api, body, code: str) -> None:
    for media_type, status in ((RESPONSE_TYPE, 400), (JSON_TYPE, 200)):
        response = await api.post(body, Accept=media_type)
        assert response.status_code == status
        assert "data" not in response.json()
        assert response.json()["errors"][0]["extensions"]["code"] == code


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"query": "fragment A on Query { __typename }"}, "has no operation: send a query"),
        ({"query": "query A { __typename }", "operationName": "B"}, "no operation of this name"),
        ({"query": "query A { __typename } query B { __typename }"}, "has several operations"),
    ],
)
async def test_a_document_without_the_operation_says_what_it_lacks(api: Api, body, told: str) -> None:
    (error,) = (await api.post(body)).json()["errors"]
    assert error["extensions"]["code"] == "UNKNOWN_OPERATION"
    assert told in error["message"]


async def test_an_error_of_a_field_leaves_data_and_status_200(api: Api) -> None:
    response = await api.post({"query": '{ node(id: "x") { id } segments { key } }'}, Accept=RESPONSE_TYPE)
    assert response.status_code == 200
    assert response.json()["data"]["node"] is None
    assert response.json()["data"]["segments"]


CONTENTS = [
    (b"{", "application/json", 400, "BAD_REQUEST"),
    (b"", "application/json", 400, "BAD_REQUEST"),
    (b'"text"', "application/json", 400, "BAD_REQUEST"),
    (b"{}", "application/json", 400, "BAD_REQUEST"),
    (b'{"query": 7}', "application/json", 400, "BAD_REQUEST"),
    (b'{"query": ""}', "application/json", 400, "BAD_REQUEST"),
    (b'{"query": "{ a }", "variables": []}', "application/json", 400, "BAD_REQUEST"),
    (b'{"query": "{ a }", "variables": "x"}', "application/json", 400, "BAD_REQUEST"),
    (b'{"query": "{ a }", "operationName": 1}', "application/json", 400, "BAD_REQUEST"),
    (b'{"query": "{ a }", "extensions": 1}', "application/json", 400, "BAD_REQUEST"),
    (b'{"query": "{ a }", "variables": {"a": "\\u0000"}}', "application/json", 400, "BAD_USER_INPUT"),
    (b'{"query": "{ a }", "variables": {"a": "\\ud800"}}', "application/json", 400, "BAD_REQUEST"),
    (
        b'{"query": "{ a }", "variables": ' + b'{"a":' * 60 + b"1" + b"}" * 60 + b"}",
        "application/json",
        400,
        "BAD_USER_INPUT",
    ),
    (b"[" * 5000, "application/json", 400, "BAD_REQUEST"),
    (b'[{"query": "{ segments { key } }"}]', "application/json", 400, "BATCHES_NOT_SERVED"),
    (
        b'{"query": "query A { segments { key } } query B { segments { key } }"}',
        "application/json",
        400,
        None,
    ),
    (
        b'{"query": "query A { segments { key } }", "operationName": "B"}',
        "application/json",
        400,
        "UNKNOWN_OPERATION",
    ),
    (b'{"query": "{ segments { key } }"}', "text/plain", 415, "UNSUPPORTED_MEDIA_TYPE"),
    (b'{"query": "{ segments { key } }"}', "application/json; charset=utf-16", 415, "UNSUPPORTED_MEDIA_TYPE"),
    (
        b"query=%7B+segments+%7B+key+%7D+%7D",
        "application/x-www-form-urlencoded",
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    ),
    (
        b'{"query": "subscription { trainingProgress(id: \\"x\\") { id } }"}',
        "application/json",
        400,
        "USE_A_STREAM",
    ),
]


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"), CONTENTS, ids=lambda each: str(each)[:45]
)
async def test_a_body_that_is_no_request(
    api: Api, client: httpx.AsyncClient, body: bytes, content_type: str, status: int, code
) -> None:
    headers = {"Authorization": f"Bearer {api.key}", "Content-Type": content_type, "Accept": RESPONSE_TYPE}
    response = await client.post("/graphql", content=body, headers=headers)
    assert response.status_code == status, response.text
    (error,) = response.json()["errors"]
    assert code is None or error["extensions"]["code"] == code
    assert "data" not in response.json()


async def test_a_body_that_is_too_large_is_refused_with_the_limit(
    api: Api, client: httpx.AsyncClient
) -> None:
    content = json.dumps({"query": "{ segments { key } }", "variables": {"a": "x" * MAX_BODY}})
    headers = {"Authorization": f"Bearer {api.key}", "Content-Type": "application/json"}
    response = await client.post("/graphql", content=content, headers=headers)
    assert response.status_code == 413
    assert f"{MAX_BODY:,}" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_say_which_are_served(api: Api, client: httpx.AsyncClient, method: str) -> None:
    response = await client.request(method, "/graphql", headers={"Authorization": f"Bearer {api.key}"})
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, POST"


class TestGet:
    async def get(self, api: Api, **parameters: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {api.key}", "Accept": RESPONSE_TYPE}
        return await api.client.get("/graphql", params=parameters, headers=headers)

    async def test_queries_may_be_got(self, api: Api) -> None:
        response = await self.get(
            api,
            query="query Q($first: Int) { debtors(first: $first) { edges { node { id } } } }",
            variables='{"first": 1}',
            operationName="Q",
        )
        assert response.status_code == 200
        assert len(response.json()["data"]["debtors"]["edges"]) == 1

    async def test_mutations_may_not(self, api: Api) -> None:
        response = await self.get(api, query="mutation { rollBackModel { __typename } }")
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"

    async def test_bad_variables_are_told(self, api: Api) -> None:
        assert (await self.get(api, query="{ a }", variables="{")).status_code == 400


async def test_production_tells_nothing_of_the_schema(production_app: Starlette, api: Api) -> None:
    transport = httpx.ASGITransport(app=production_app)
    async with httpx.AsyncClient(transport=transport, base_url="http://dunwell.test") as client:
        production = Api(client, api.key)
        assert (await production.send("{ __schema { types { name } } }"))["errors"][0]["extensions"][
            "code"
        ] == ("GRAPHQL_VALIDATION_FAILED")
        for query in (
            "{ debtros { totalCount } }",
            "{ debtors(frist: 1) { totalCount } }",
            "{ debtors { pageInof } }",
        ):
            assert "Did you mean" not in json.dumps(await production.send(query))
        wrong = await production.send(
            "query ($o: [DebtorOrder!]) { debtors(orderBy: $o) { totalCount } }", o=[{"feild": 1}]
        )
        assert "Did you mean" not in json.dumps(wrong)
        headers = {"Authorization": f"Bearer {api.key}"}
        assert (
            await client.get("/graphql", params={"query": "{ __typename }"}, headers=headers)
        ).status_code == 405
        for path in ("/graphql", "/", "/ide/graphiql.js"):
            assert (await client.get(path, headers={"Accept": "text/html"})).status_code in (404, 405, 406)
        assert (await production.ask("{ __typename }"))["__typename"] == "Query"


async def test_development_suggests(api: Api) -> None:
    assert "Did you mean" in json.dumps(await api.send("{ debtros { totalCount } }"))
