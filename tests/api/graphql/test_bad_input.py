"""Bad arguments: each is told apart, named, and answered with BAD_USER_INPUT; nothing fails and nothing changes."""

import base64
import re
from typing import Any

import pytest

from api.graphql.ids import global_id
from tests.api.portfolio import Api, operation
from tests.conftest import ROOT

CASES = [
    ("{ debtors(first: -1) { totalCount } }", ["first"], "first is -1"),
    ("{ debtors(first: 101) { totalCount } }", ["first"], "first is 101"),
    ('{ debtors(after: "junk") { totalCount } }', ["after"], "not a cursor"),
    ('{ debtors(after: "") { totalCount } }', ["after"], "not a cursor"),
    ('{ node(id: "junk") { id } }', ["id"], "not an id"),
    ('{ node(id: "") { id } }', ["id"], "not an id"),
    (f'{{ node(id: "{base64.b64encode(b"Debtor:-1").decode()}") {{ id }} }}', ["id"], "not an id"),
    (f'{{ node(id: "{global_id("Debtor", 10**30)}") {{ id }} }}', ["id"], "not an id"),
    (f'{{ debtor(id: "{global_id("Account", 1)}") {{ id }} }}', ["id"], "of type Account"),
    (f'{{ nodes(ids: ["{global_id("Debtor", 1)}", "junk"]) {{ id }} }}', ["ids", "1"], "ids.1: not an id"),
    ("{ debtors(orderBy: [{field: BALANCE}]) { totalCount } }", ["orderBy", "0", "currency"], "name it"),
    ('{ debtors(orderBy: [{field: NAME, currency: "EUR"}]) { totalCount } }', None, "only BALANCE"),
    (
        '{ debtors(orderBy: [{field: NAME}, {field: BALANCE, currency: "euro"}]) { totalCount } }',
        ["orderBy", "1", "currency"],
        "orderBy.1.currency must be an ISO 4217 code, such as EUR.",
    ),
    ('{ debtors(where: {balance: {currency: "euro"}}) { totalCount } }', None, "ISO 4217"),
    (
        '{ kpis(period: {from: "2026-05-01T00:00:00Z", to: "2026-04-01T00:00:00Z"}) { asOf } }',
        ["period"],
        "must be before",
    ),
    (
        '{ kpis(period: {from: "2025-01-01T00:00:00Z", to: "2026-05-01T00:00:00Z"}) '
        "{ messages(by: [DAY, HOUR, CHANNEL, COUNTRY, AGENT]) { sent } } }",
        ["by"],
        "485 days by 5 dimensions costs 2,425",
    ),
    ("{ kpiForecast(horizonDays: 1000, policy: CURRENT) { asOf } }", ["horizonDays"], "1 to 90"),
    (
        '{ kpiForecast(horizonDays: 7, policy: CURRENT, asOf: "2029-05-03T00:00:00Z") { asOf } }',
        ["asOf"],
        "1096 days from now",
    ),
    ("{ kpiForecast(horizonDays: 0, policy: CURRENT) { asOf } }", ["horizonDays"], "1 to 90"),
    (
        '{ segmentRecommendations(within: {from: "2026-05-02T00:00:00Z", to: "2026-05-01T00:00:00Z"}) '
        "{ segment { key } } }",
        ["within"],
        "from must be before to",
    ),
]


@pytest.mark.parametrize(("query", "argument", "told"), CASES, ids=[case[0][:60] for case in CASES])
async def test_an_argument_that_cannot_be_served(api: Api, query: str, argument, told: str) -> None:
    error = await api.error(query)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert told in error["message"]
    assert error["path"]
    if argument is not None:
        assert error["extensions"]["argument"] == argument


BOUNDED = [
    "{ segmentRecommendations(%s) { recommendation { best { sendAt } } } }",
    '{ debtorRecommendations(references: ["D0000010"], %s) { recommendation { best { sendAt } } } }',
    '{ debtorByReference(reference: "D0000010") { recommendation(%s) { best { sendAt } } } }',
    'mutation { decide(input: {references: ["D0000010"], %s}) { __typename } }',
    'mutation { planCampaign(input: {name: "x", %s, USUAL}) { __typename } }',
    "{ kpiForecast(horizonDays: 28, policy: CURRENT, %s) { asOf } }",
]
USUAL = 'within: {from: "2026-05-02T00:00:00Z", to: "2026-05-03T00:00:00Z"}'


@pytest.mark.parametrize(
    "instant", ["0001-01-01T00:00:00Z", "1899-12-31T23:59:59Z", "9999-12-31T23:59:59.999999Z"]
)
@pytest.mark.parametrize("query", BOUNDED, ids=[query[:35] for query in BOUNDED])
async def test_advice_keeps_away_from_the_ends_of_the_calendar(api: Api, query: str, instant: str) -> None:
    error = await api.error((query % f'asOf: "{instant}"').replace("USUAL", USUAL))
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["argument"][-1] == "asOf"
    assert "1900 to 2199" in error["message"]


@pytest.mark.parametrize("query", BOUNDED[:5], ids=[query[:35] for query in BOUNDED[:5]])
async def test_windows_of_advice_too(api: Api, query: str) -> None:
    window = 'within: {from: "2026-05-02T00:00:00Z", to: "9999-12-31T00:00:00Z"}'
    error = await api.error((query % window).replace(", USUAL", ""))
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["argument"][-2:] == ["within", "to"]


VALUES = [
    ("DateTime", ["2026-05-01T00:00:00", "2026-13-01T00:00:00Z", "tomorrow", 7, "0001-01-01T00:00:00+14:00"]),
    ("Decimal", ["NaN", "Infinity", "1e999999", "12,5", True, [], "", "9" * 40, f"0.{'1' * 31}", "١٢"]),
    ("Decimal", [123456789012345.68, 0.1 + 0.2, -9007199254740992.5]),
    ("Date", ["2026-02-30", "2026-2-3", "2026-05-01T00:00:00Z", 20260501]),
]
QUERIES = {
    "DateTime": "query ($v: DateTime!) { debtors(where: {lastContactedAt: {gte: $v}}) { totalCount } }",
    "Decimal": 'query ($v: Decimal!) { debtors(where: {balance: {currency: "EUR", gte: $v}}) { totalCount } }',
    "Date": "query ($v: Date!) { debtors(where: {birthDate: {eq: $v}}) { totalCount } }",
}


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in VALUES for value in values], ids=str
)
async def test_a_value_that_is_none_of_its_type(api: Api, kind: str, value) -> None:
    error = await api.error(QUERIES[kind], v=value)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert f"{kind}:" in error["message"], "the message shows the right form"


async def test_an_amount_is_stored_as_it_was_written_or_refused(api_of, tenant_id: int) -> None:
    """What a JSON reader makes of a number has 15 digits that are the sender's; a literal is read as text."""
    own = await api_of(tenant_id)
    account = {
        "reference": "A",
        "debtor": "D",
        "product": "LOAN",
        "currency": "EUR",
        "principal": 1234567890123.25,
    }
    await own.ask(SEND, input=[WELL])
    query = (
        "mutation ($input: [AccountInput!]!) { upsertAccounts(input: $input) { accepted rejected { code } } }"
    )
    days = {"openedOn": "2026-01-01", "dueOn": "2026-02-01"}
    found = await own.ask(query, input=[account | days])
    assert found["upsertAccounts"] == {"accepted": 1, "rejected": []}
    error = await own.error(query, input=[account | days | {"principal": 123456789012345.68}])
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": ["input", "0", "principal"]}
    literal = """mutation { upsertAccounts(input: [{
        reference: "B", debtor: "D", product: "LOAN", currency: "EUR",
        principal: 123456789012345.678901234567890123, openedOn: "2026-01-01", dueOn: "2026-02-01"
    }]) { accepted } }"""
    assert (await own.ask(literal))["upsertAccounts"]["accepted"] == 1
    read = await own.ask(
        '{ debtorByReference(reference: "D") { accounts { edges { node { reference principal { amount } } } } } }'
    )
    stored = {
        edge["node"]["reference"]: edge["node"]["principal"]["amount"]
        for edge in read["debtorByReference"]["accounts"]["edges"]
    }
    assert stored == {"A": "1234567890123.25", "B": "123456789012345.678901234567890123"}


SEND = "mutation ($input: [DebtorInput!]!) { upsertDebtors(input: $input) { accepted } }"
WELL = {"reference": "D", "name": "Ana", "country": "ES"}
ODD = "to include required field 'password'"


@pytest.mark.parametrize(
    ("given", "places"),
    [
        ([WELL, WELL | {"birthDate": "2026-02-30"}], [["input", "1", "birthDate"]]),
        ([WELL | {"name": None}, WELL | {"country": 7}], [["input", "0", "name"], ["input", "1", "country"]]),
        ([{"reference": "D", "country": "ES"}], [["input", "0", "name"]]),
        ([None], [["input", "0"]]),
        (None, [["input"]]),
        (WELL | {"birthDate": 1}, [["input", "birthDate"]]),
        ([WELL | {"name": [ODD]}], [["input", "0", "name"]]),
        ([WELL | {ODD: 1}], [["input", "0"]]),
        ([WELL, WELL | {"colour": 1}], [["input", "1", "colour"]]),
    ],
    ids=str,
)
async def test_a_variable_that_does_not_fit_says_in_which_place(api: Api, given, places) -> None:
    errors = (await api.send(SEND, input=given))["errors"]
    assert [error["extensions"] for error in errors] == [
        {"code": "BAD_USER_INPUT", "argument": place} for place in places
    ]
    assert not [error["message"] for error in errors if "None" in error["message"] or ODD in error["message"]]


async def test_a_literal_that_does_not_fit_says_in_which_line(api: Api) -> None:
    query = """mutation { upsertDebtors(input: [
        {reference: "D1", name: "Ana", country: "ES", birthDate: "1990-02-28"}
        {reference: "D2", name: "Ana", country: "ES", birthDate: "1990-02-30"}
        {reference: "D3", name: null, country: "ES"}
    ]) { accepted } }"""
    errors = (await api.send(query))["errors"]
    assert [(error["locations"], error["extensions"]["argument"]) for error in errors] == [
        ([{"line": 3, "column": 66}], ["input", "1", "birthDate"]),
        ([{"line": 4, "column": 33}], ["input", "2", "name"]),
    ]


NAMED = [
    ('{ debtors(first: "1") { totalCount } }', "Argument 'first' has invalid value: Int cannot", ["first"]),
    ("{ node(id: 1.5) { id } }", "Argument 'id' has invalid value: ID cannot", ["id"]),
    (
        '{ debtors(where: {or: [{}, {birthDate: {lt: "2026-02-30"}}]}) { totalCount } }',
        "Argument 'where' has invalid value at .or[1].birthDate.lt: Date: expected",
        ["where", "or", "1", "birthDate", "lt"],
    ),
    (
        "{ debtors(orderBy: [{field: AGE}]) { totalCount } }",
        "Argument 'orderBy' has invalid value at [0].field: The value does not exist",
        ["orderBy", "0", "field"],
    ),
    (
        '{ debtors(where: {balance: {gte: "1"}}) { totalCount } }',
        "Argument 'where' has invalid value at .balance: Expected value of type 'MoneyFilter' to include",
        ["where", "balance", "currency"],
    ),
    (
        '{ debtors(where: {name: {in: ["Ana", "A\\u0000"]}}) { totalCount } }',
        "Argument 'where' has invalid value at .name.in[1]: A text holds the character NUL",
        ["where", "name", "in", "1"],
    ),
    (
        'query ($first: Int = "x") { debtors(first: $first) { totalCount } }',
        "Variable '$first' has invalid default value: Int cannot",
        ["first"],
    ),
    (
        'query ($w: DebtorWhere = {name: {eq: "\\u0000"}}) { debtors(where: $w) { totalCount } }',
        "Variable '$w' has invalid default value at .name.eq: A text holds",
        ["w", "name", "eq"],
    ),
    ('{ debtors { totalCount @include(if: "yes") } }', "Argument 'if' has invalid value: Boolean", ["if"]),
]


@pytest.mark.parametrize(("query", "told", "argument"), NAMED, ids=[case[0][:60] for case in NAMED])
async def test_a_literal_that_does_not_fit_names_its_argument(
    api: Api, query: str, told: str, argument: list[str]
) -> None:
    error = await api.error(query)
    assert error["message"].startswith(told)
    assert error["extensions"]["argument"] == argument


async def test_a_literal_outside_of_arguments_is_refused_too(api: Api) -> None:
    answer = await api.send('type Own { one(text: String = "\\u0000"): Int } query { __typename }')
    assert {error["extensions"]["code"] for error in answer["errors"]} == {
        "GRAPHQL_VALIDATION_FAILED",
        "BAD_USER_INPUT",
    }


async def test_instants_are_read_with_any_offset_and_answered_in_utc(api: Api) -> None:
    query = """query ($t: DateTime!) {
        kpis(period: {from: "2026-04-01T00:00:00.5+02:00", to: "2026-05-01T00:00:00Z"}, asOf: $t) { asOf } }"""
    for given in (
        "2026-04-30T20:30:00.250000-03:30",
        "2026-05-01T00:00:00.25Z",
        "2026-05-01T02:00:00.250+02:00",
    ):
        assert (await api.ask(query, t=given))["kpis"]["asOf"] == "2026-05-01T00:00:00.250000Z"


@pytest.mark.parametrize(
    "query",
    [
        'query { debtors(where: {name: {eq: "\\u0000"}}) { totalCount } }',
        "query ($v: Channel!) { communications(where: {channel: {eq: $v}}) { totalCount } }",
        "query ($v: Int!) { debtors(first: $v) { totalCount } }",
        "{ debtors(first: 99999999999) { totalCount } }",
        "{ communications(where: {channel: {eq: PIGEON}}) { totalCount } }",
        "{ debtors(frist: 1) { totalCount } }",
        "{ debtors(first: 1, last: 1) { totalCount } }",
        '{ debtors(before: "x") { totalCount } }',
        "{ debtors { totalCuont } }",
    ],
)
async def test_what_does_not_fit_the_schema_has_a_code(api: Api, query: str) -> None:
    answer = await api.send(query, v="PIGEON")
    assert answer.get("data") is None
    assert answer["errors"][0]["extensions"]["code"] in ("BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED")


@pytest.mark.parametrize(
    "as_of", ["0001-01-01T00:00:00Z", "2026-05-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"]
)
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:01Z"),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
        ("9999-12-31T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
async def test_periods_at_the_ends_of_the_calendar_are_answered(
    api: Api, start: str, end: str, as_of: str
) -> None:
    query = """query ($period: PeriodInput!, $asOf: DateTime) { kpis(period: $period, asOf: $asOf) {
        messages(by: [CHANNEL]) { sent reaction { sentToPay { medianCensored } } } traffic { visitors }
        agents(by: ALL) { accounts activeAgents } portfolio { currency dso aging { accounts } } } }"""
    found = await api.ask(query, period={"from": start, "to": end}, asOf=as_of)
    assert len(found["kpis"]["traffic"]) >= 1
    assert len(found["kpis"]["agents"]) == 1


async def test_filters_nested_without_end_are_refused_by_number(api: Api) -> None:
    where: dict = {"country": {"eq": "ES"}}
    for _ in range(13):
        where = {"not": where}
    error = await api.error("query ($w: DebtorWhere) { debtors(where: $w) { totalCount } }", w=where)
    assert error["extensions"]["reason"] == "TOO_DEEP"
    assert "12 levels" in error["message"]


async def test_too_many_references_are_refused_with_the_number(api: Api) -> None:
    query = "query ($r: [String!]!) { debtorRecommendations(references: $r) { reference } }"
    error = await api.error(query, r=["D0000010"] * 1001)
    assert error["extensions"]["argument"] == ["references"]
    decide = "mutation ($i: DecideInput!) { decide(input: $i) { __typename } }"
    error = await api.error(decide, i={"references": ["D0000010"] * 1001})
    assert error["extensions"]["argument"] == ["input", "references"]
    assert "1001" in error["message"]
    assert len((await api.ask(query, r=["D0000010"] * 1000))["debtorRecommendations"]) == 1000


ODD_NAMES = [
    "👩‍👩‍👧‍👦",
    "\u202eevil",
    "e\u0301",
    "\ufeffBOM",
    "\uffff",
    "\U0010ffff",
    "ﷺ",
    "Robert'); DROP TABLE debtor;--",
]


async def test_odd_characters_come_back_as_they_were_sent(api_of, tenant_id: int) -> None:
    own = await api_of(tenant_id)
    items = [{"reference": f"O{at}", "name": name, "country": "ES"} for at, name in enumerate(ODD_NAMES)]
    send = "mutation ($i: [DebtorInput!]!) { upsertDebtors(input: $i) { accepted rejected { code } } }"
    assert (await own.ask(send, i=items))["upsertDebtors"] == {"accepted": len(items), "rejected": []}
    query = "query ($n: String!) { debtors(where: {name: {eq: $n}}) { edges { node { reference name } } } }"
    for item in items:
        (edge,) = (await own.ask(query, n=item["name"]))["debtors"]["edges"]
        assert edge["node"] == {"reference": item["reference"], "name": item["name"]}


SEGMENT = {"key": "A", "name": "x", "where": {}}
PAST = {"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"}
FAILURES = [
    ("DefineSegments", [SEGMENT | {"key": " A"}], "BAD_VALUE", ["input", "0", "key"]),
    ("DefineSegments", [SEGMENT, SEGMENT], "DUPLICATE_KEY", ["input", "1", "key"]),
    ("DefineSegments", [SEGMENT | {"key": "NONE"}], "RESERVED_KEY", ["input", "0", "key"]),
    (
        "DefineSegments",
        [SEGMENT | {"where": {"segment": {"eq": "B"}}}],
        "SEGMENT_IN_RULE",
        ["input", "0", "where"],
    ),
    ("PlanCampaign", {"name": "", "within": PAST}, "BAD_USER_INPUT", ["input", "name"]),
    ("Decide", {"references": [], "within": PAST}, "WINDOW_IS_PAST", ["input", "within"]),
    ("CancelTraining", "TrainingRun", "NOT_FOUND", ["id"]),
    ("PromoteModel", "ModelVersion", "NOT_FOUND", ["id"]),
    ("RollBackModel", None, "NO_PREVIOUS_CHAMPION", []),
]


@pytest.mark.parametrize(("name", "given", "code", "path"), FAILURES, ids=str)
async def test_an_expected_failure_is_an_answer_with_a_code_that_the_docs_explain(
    api_of, tenant_id: int, name: str, given, code: str, path: list[str]
) -> None:
    variables = {"id": global_id(given, 999_999)} if isinstance(given, str) else {"input": given}
    own = await api_of(tenant_id)
    (answer,) = (await own.ask(operation(name), **(variables if given is not None else {}))).values()
    assert (answer["code"], answer["path"]) == (code, path)
    docs = "".join((ROOT / "docs" / page).read_text() for page in ("graphql.md", "campaigns.md"))
    assert re.search(rf"^\| [^|]*`{code}`", docs, re.MULTILINE)


EXTREMES = [
    ("upsertDebtors", {"reference": "D", "name": "x" * 501, "country": "ES"}, "name", "TOO_LONG"),
    (
        "upsertDebtors",
        {"reference": "D", "name": "x", "country": "ES", "timeZone": "../etc"},
        "timeZone",
        None,
    ),
    (
        "upsertDebtors",
        {"reference": "D", "name": "x", "country": "ES", "birthDate": "0001-01-01"},
        "birthDate",
        None,
    ),
    (
        "upsertDebtors",
        {"reference": "D", "name": "x", "country": "ES", "attributes": [1]},
        "attributes",
        None,
    ),
    (
        "upsertDebtors",
        {"reference": "D", "name": "x", "country": "ES", "attributes": {"x_a": 2**70}},
        None,
        None,
    ),
    (
        "upsertDebtors",
        {"reference": "D", "name": "x", "country": "ES", "attributes": {"a": 1}},
        "attributes",
        None,
    ),
    ("recordPayments", {"amount": "99999999999999999999"}, "amount", "OUT_OF_RANGE"),
    ("recordPayments", {"amount": "-0"}, "amount", "NOT_POSITIVE"),
    ("recordPayments", {"paidAt": "0001-01-01T00:00:00Z"}, "paidAt", "OUT_OF_RANGE"),
    ("recordPayments", {"paidAt": "9999-12-31T23:59:59.999999999Z"}, "paidAt", "OUT_OF_RANGE"),
    ("recordPayments", {"currency": "eur"}, "currency", "UNKNOWN_CURRENCY"),
]
PAYMENT = {
    "reference": "EXTREME",
    "account": "A0000010",
    "amount": "1",
    "currency": "DKK",
    "paidAt": "2026-04-01T00:00:00Z",
}


@pytest.mark.parametrize(("mutation", "item", "field", "code"), EXTREMES, ids=lambda each: str(each)[:50])
async def test_an_item_at_the_ends_of_what_can_be_said_is_rejected(
    api: Api, mutation: str, item: dict, field, code
) -> None:
    kind = {"upsertDebtors": "DebtorInput", "recordPayments": "PaymentInput"}[mutation]
    given = {**PAYMENT, **item} if mutation == "recordPayments" else item
    query = f"mutation ($i: [{kind}!]!) {{ {mutation}(input: $i) {{ accepted rejected {{ index field code }} }} }}"
    report = (await api.ask(query, i=[given]))[mutation]
    assert report["accepted"] == 0
    (rejected,) = report["rejected"]
    assert rejected["index"] == 0
    assert field is None or rejected["field"] == field
    assert code is None or rejected["code"] == code
    assert (await api.ask('{ debtorByReference(reference: "D") { id } }'))["debtorByReference"] is None


async def test_a_query_of_a_megabyte_is_refused_by_its_length(api: Api) -> None:
    error = await api.error("{ segments { key } } #" + "x" * 1_000_000)
    assert error["extensions"] == {
        "code": "LIMIT_EXCEEDED",
        "limited": "length",
        "found": 1_000_022,
        "limit": 100_000,
    }


@pytest.mark.parametrize(
    ("variables", "begin", "place"),
    [
        ({"v": "\x00"}, "Variable '$v' holds the character NUL (U+0000)", ["v"]),
        (
            {"v": {"name": {"in": ["a", "b\x00"]}}},
            "Variable '$v' holds at .name.in[1] the character NUL",
            ["v", "name", "in", "1"],
        ),
        (
            {"v": [{"or": []}, {"a\x00": 1}]},
            "Variable '$v' holds at [1] a name that holds the character NUL",
            ["v", "1"],
        ),
        ({"\x00": 1}, "The variables hold a name that holds the character NUL", None),
    ],
)
async def test_a_character_that_cannot_be_stored_is_told_by_its_place(
    api: Api, variables: dict[str, Any], begin: str, place: list[str] | None
) -> None:
    for query in (
        "query ($v: DebtorWhere) { debtors(where: $v) { totalCount } }",
        "query ($v: DebtorWhere) { debtors(first: 1, where: $v) { edges { node { id } } } }",
    ):
        answer = await api.send(query, **variables)
        (error,) = answer["errors"]
        assert error["message"].startswith(begin)
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["extensions"].get("argument") == place
        assert "data" not in answer
