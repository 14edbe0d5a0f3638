"""Operations larger than served are refused before they run, with the number; the contract's own fit."""

import pytest
from graphql import GraphQLInputObjectType, parse
from graphql import build_schema as schema_of

from api.auth import create_key
from api.graphql.limits import LIMITS, REMEMBERED, Documents, check_variables, oversize
from api.graphql.schema import build_schema, sdl
from domain.vocabulary import Role
from tests.api.portfolio import NOW, Api, operation, operation_names


def nested(depth: int) -> str:
    """A query so many levels deep."""
    loop = "account { debtor { promises { edges { node { "
    levels = depth - 5
    text, opened = "{ promises { edges { node { ", 4
    while levels > 0:
        text += loop
        opened += 5
        levels -= 5
    return text + "id" + " }" * opened


BOMBS = [
    (nested(40), "depth"),
    ("{ " + " ".join(f"a{n}: segments {{ key }}" for n in range(31)) + " }", "aliases"),
    ("{ " + " ".join(["__typename"] * 401) + " }", "fields"),
    ("{ __typename " + "@include(if: true) " * 31 + "}", "directives"),
    ("{ __typename " + "@nothing " * 31 + "}", "directives"),
    (
        "{ ...f0 } "
        + " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(40))
        + " fragment f40 on Query { __typename }",
        "fields",
    ),
]


@pytest.mark.parametrize(("query", "limited"), BOMBS, ids=[bomb[1] + str(n) for n, bomb in enumerate(BOMBS)])
async def test_a_bomb_is_refused_with_the_number(api: Api, query: str, limited: str) -> None:
    answer = await api.send(query)
    told = next(e["extensions"] for e in answer["errors"] if e["extensions"].get("limited") == limited)
    assert told["code"] == "LIMIT_EXCEEDED"
    assert told["found"] > told["limit"] == getattr(LIMITS, limited)


@pytest.mark.parametrize(
    ("query", "limited", "number"),
    [
        ("{ " + "segments { key } " * 1500 + "}", "tokens", "4,000"),
        ("#" * 90_000 + "\n{ __typename }" + "\n#" * 501, "comments", "500"),
        ("{ __typename }" + " " * 100_001, "length", "100,000"),
    ],
)
async def test_a_document_too_long_to_read_is_refused_with_the_number(
    api: Api, query: str, limited: str, number: str
) -> None:
    error = await api.error(query)
    assert error["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert error["extensions"]["limited"] == limited
    assert error["extensions"]["limit"] == int(number.replace(",", ""))
    assert number in error["message"]


@pytest.mark.parametrize(
    "query",
    ["{" * 3000, "{ debtors(where: " + "{and: " * 1200 + "{}" + "}" * 1200 + ") { totalCount } }"],
)
async def test_a_document_too_deep_to_read_is_refused(api: Api, query: str) -> None:
    answer = await api.send(query)
    assert answer.get("data") is None
    assert {e["extensions"]["code"] for e in answer["errors"]} <= {"LIMIT_EXCEEDED", "GRAPHQL_PARSE_FAILED"}


DEBTORS = "query ($w: DebtorWhere) { debtors(where: $w) { totalCount } }"


@pytest.mark.parametrize(
    ("query", "variables", "limited", "found", "limit"),
    [
        ("query ($i: [ID!]!) { nodes(ids: $i) { id } }", {"i": [[]] * 200_000}, "variables", None, 120_000),
        (DEBTORS, {"w": {"or": [{}] * 10_000}}, "objects", None, 10_000),
        (DEBTORS, {"w": {"or": [{"country": {"eq": "ES"}}] * 100}}, "conditions", 201, 200),
        (DEBTORS, {"w": {"reference": {"in": ["D1"] * 1001}}}, "values", 1001, 1000),
        (
            "query ($o: [DebtorOrder!]) { debtors(orderBy: $o) { totalCount } }",
            {"o": [{"field": "NAME"}] * 201},
            "conditions",
            201,
            200,
        ),
        ("{ debtors(where: {or: [" + "{}" * 200 + "]}) { totalCount } }", {}, "conditions", 201, 200),
        (
            "query ($w: DebtorWhere = {or: [" + "{}" * 100 + "]}) "
            "{ debtors(where: $w) { totalCount } other: debtors(where: $w) { totalCount } }",
            {},
            "conditions",
            202,
            200,
        ),
        (
            "query ($c: [String!]) { "
            + " ".join(f"a{n}: debtors(where: {{country: {{in: $c}}}}) {{ totalCount }}" for n in range(11))
            + " }",
            {"c": ["ES"] * 100},
            "values",
            1100,
            1000,
        ),
    ],
    ids=["variables", "objects", "or", "in", "orderBy", "literal", "default", "used again"],
)
async def test_filters_larger_than_served_are_refused_before_they_are_read(
    api: Api, query: str, variables: dict, limited: str, found: int | None, limit: int
) -> None:
    answer = await api.send(query, **variables)
    assert answer.get("data") is None
    told = next(e["extensions"] for e in answer["errors"] if e["extensions"].get("limited") == limited)
    assert told == {"code": "LIMIT_EXCEEDED", "limited": limited, "found": found, "limit": limit}


async def test_filters_as_large_as_served_are_answered(api: Api) -> None:
    where = {"or": [{"reference": {"in": ["nobody"] * 9}}] * 99}
    assert (await api.ask(DEBTORS, w=where))["debtors"]["totalCount"] == 0


@pytest.mark.parametrize("by_variables", [True, False])
async def test_a_filter_and_its_order_are_answered_beside_a_full_list(api: Api, by_variables: bool) -> None:
    query = "query ($w: DebtorWhere, $o: [DebtorOrder!]) { debtors(where: $w, orderBy: $o) { totalCount } }"
    where = {"and": [{"reference": {"in": ["nobody"] * 1000}}, {"country": {"eq": "ES"}}]}
    if by_variables:
        found = await api.ask(query, w=where, o=[{"field": "NAME"}])
    else:
        some = ", ".join(['"nobody"'] * 1000)
        literal = f'and: [{{reference: {{in: [{some}]}}}}, {{country: {{eq: "ES"}}}}]'
        found = await api.ask(
            f"{{ debtors(where: {{{literal}}}, orderBy: [{{field: NAME}}]) {{ totalCount }} }}"
        )
    assert found["debtors"]["totalCount"] == 0


def test_a_thousand_items_with_all_fields_and_a_hundred_attributes_each_are_taken() -> None:
    items_of = [
        kind.fields
        for kind in schema_of(sdl()).type_map.values()
        if isinstance(kind, GraphQLInputObjectType)
        and "attributes" in kind.fields
        and str(kind.fields["attributes"].type) == "JSON"
    ]
    assert len(items_of) == 6
    for names in items_of:
        fields = dict.fromkeys(names, "given")
        items = [fields | {"attributes": {f"x_{n}": n for n in range(100)}} for _ in range(1000)]
        check_variables({"input": items})


async def test_a_list_that_stands_for_a_variable_counts_its_items(api: Api) -> None:
    references = ", ".join(f'"D{n}"' for n in range(1000))
    fields = " ".join(f"a{n}: debtorRecommendations(references: $r) {{ reference }}" for n in range(26))
    error = await api.error(f"query ($r: [String!]! = [{references}]) {{ {fields} }}")
    assert error["extensions"]["limited"] == "nodes"
    assert error["extensions"]["found"] == 26_000


@pytest.mark.parametrize("name", operation_names())
def test_the_contracts_operations_fit(name: str) -> None:
    assert oversize(parse(operation(name))) == []


LISTS = """query ($first: Int, $inner: Int = 3) { debtors(first: $first) { edges { node {
    communications(first: $inner) { edges { node { debtor { payments { edges { node { id } } } } } } } } } } }"""


async def test_lists_in_lists_are_counted_with_their_variables(api: Api) -> None:
    (refused,) = (await api.send(LISTS, first=100, inner=20))["errors"]
    assert refused["extensions"]["limited"] == "nodes"
    assert refused["extensions"]["found"] == 100 * (1 + 20 * (1 + 20))
    assert "42,100" in refused["message"]
    await api.ask(LISTS, first=2, inner=2)
    (refused,) = (await api.send(LISTS.replace("= 3", "= 100"), first=50))["errors"]
    assert refused["extensions"]["found"] == 50 * (1 + 100 * (1 + 20))


async def test_many_references_count_as_many(api: Api) -> None:
    query = """query ($r: [String!]!) { debtorRecommendations(references: $r) {
        debtor { communications(first: 100) { edges { node { id } } } } } }"""
    (refused,) = (await api.send(query, r=["D0000010"] * 1000))["errors"]
    assert refused["extensions"]["found"] == 101_000
    await api.ask(query, r=["D0000010"] * 2)


async def test_fragments_that_turn_in_circles_are_refused_by_validation(api: Api) -> None:
    answer = await api.send("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }")
    assert answer["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


def test_documents_are_remembered_up_to_a_length() -> None:
    documents, schema = Documents(production=False), build_schema()._schema
    first = documents.prepare(schema, "{ __typename }")
    assert documents.prepare(schema, "{ __typename }") is first
    for n in range(REMEMBERED // 1000 + 1):
        documents.prepare(schema, f"{{ a{n}: __typename }}".ljust(1000))
    assert documents.prepare(schema, "{ __typename }") is not first
    assert sum(map(len, documents._known)) <= REMEMBERED


@pytest.mark.parametrize(
    "query",
    [
        f"{{ debtors(first: {'9' * 5000}) {{ totalCount edges {{ node {{ id }} }} }} }}",
        f"{{ debtors(first: -{'9' * 5000}) {{ totalCount edges {{ node {{ id }} }} }} }}",
        f"query ($n: Int = {'9' * 5000}) {{ debtors(first: $n) {{ edges {{ node {{ id }} }} }} }}",
        f"{{ nodes(ids: [{'9' * 5000}]) {{ id }} }}",
        f'{{ debtors(where: {{balance: {{currency: "EUR", gte: {"9" * 5000}}}}}) {{ totalCount }} }}',
        f'{{ debtors(where: {{attributes: [{{key: "x_a", lt: {"9" * 5000}}}]}}) {{ totalCount }} }}',
        'mutation { upsertDebtors(input: [{reference: "D", name: "A", country: "ES", '
        f"attributes: {{x_a: {'9' * 5000}}}}}]) {{ accepted }} }}",
    ],
)
@pytest.mark.parametrize("personal", [True, False])
async def test_numbers_longer_than_any_are_refused_like_others(
    client, database, tenant_id: int, query: str, personal: bool
) -> None:
    key = await create_key(database, tenant_id, Role.ADMIN, now=NOW, reads_personal_data=personal)
    answer = await Api(client, key).send(query)
    assert "data" not in answer or not answer["data"] or answer["data"] == {"upsertDebtors": {"accepted": 0}}
    assert not any(
        error["extensions"]["code"] == "INTERNAL_SERVER_ERROR" for error in answer.get("errors", [])
    )
    assert not any(
        "999" in error["message"] or "sys." in error["message"] for error in answer.get("errors", [])
    )
