"""Deciding: lawful, logged with its exact probability, read again, and its outcome comes back."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import polars as pl
import psycopg
import pytest_asyncio
from sqlalchemy import text

from api.answers import Window
from api.decisions.campaigns import CampaignService
from api.decisions.requests import CampaignRequest
from api.decisions.service import DecisionService
from api.graphql.ids import global_id, number_of
from api.histories import read_history_of
from api.recommendations.champions import Champions
from api.recommendations.service import RecommendationService
from domain.audit import operator
from domain.storage.decisions import deciding_alone
from domain.storage.reachability import reachability
from domain.storage.reads.decisions import decisions_by_id
from domain.storage.sessions import Database
from domain.vocabulary import Channel, Role
from tests.api.busy_scoring import made_beside_a_reader
from tests.api.learned import AS_OF, Learned
from tests.api.portfolio import Api, operation
from tests.domain.contact_rules_oracle import broken_rules
from tests.facts import merge_facts, row

ASKED = {"asOf": AS_OF.isoformat()}
RECORD = operation("RecordCommunications")


async def run(api: Api, name: str, **variables: object):
    return await api.ask(operation(name), **variables)


@pytest_asyncio.fixture(loop_scope="session")
async def campaigner(api_of, learned: Learned) -> Api:
    return await api_of(learned.tenant_id, Role.CAMPAIGN)


async def decide(api: Api, references: list[str], **more: object) -> list[dict]:
    answer = (await run(api, "Decide", input={"references": references, **ASKED, **more}))["decide"]
    assert "decisions" in answer, answer
    return answer["decisions"]


async def rows_of(learned: Learned, decided: list[dict]):
    numbers = [number_of(one["decision"]["id"], "Decision") for one in decided]
    async with learned.database.transaction(learned.tenant_id) as connection:
        found = await decisions_by_id(connection, learned.tenant_id, numbers)
    return [found[number] for number in numbers]


async def test_decisions_come_in_the_order_asked_and_unknown_references_are_named(
    campaigner: Api, learned: Learned
) -> None:
    asked = [learned.references[3], "nobody", learned.references[1], learned.references[3]]
    found = await decide(campaigner, asked)
    assert [one["reference"] for one in found] == asked
    assert found[1]["decision"] is None
    assert found[1]["error"]["code"] == "UNKNOWN_REFERENCE"
    assert found[1]["error"]["path"] == ["input", "references", "1"]
    assert found[0]["decision"]["id"] == found[3]["decision"]["id"]  # asked twice, decided once


async def test_no_decision_breaks_a_rule_and_each_is_logged_whole(campaigner: Api, learned: Learned) -> None:
    found = await decide(campaigner, learned.references)
    rows = await rows_of(learned, found)
    ids = [row.debtor_id for row in rows]
    async with learned.database.transaction(learned.tenant_id) as connection:
        people = await reachability(connection, learned.tenant_id, ids, known=AS_OF)
    contacted = 0
    for one, logged in zip(found, rows, strict=True):
        person, decision = people[logged.debtor_id], one["decision"]
        assert logged.policy == "SOFTMAX_0.05_0.02@1"
        assert decision["rulesVersion"] == person.presets[0].code
        assert decision["eligible"] == logged.eligible_count
        assert 0.05 / decision["eligible"] <= decision["propensity"] <= 1
        if logged.action is None:
            continue
        contacted += 1
        send_at = datetime.fromisoformat(logged.action["send_at"])
        assert AS_OF <= send_at < AS_OF + timedelta(days=7)
        # What this very call planned is among the contacts now; the decision itself is not in its own way.
        contacts = [past for past in person.contacts if not (past.planned and past.at == send_at)]
        assert not broken_rules(
            person.presets[0].name,
            person.zone,
            logged.action["channel"],
            send_at,
            addresses=person.addresses,
            requests=person.requests,
            contacts=contacts,
        )
    assert contacted > len(found) / 2


async def test_rules_are_named_of_the_channels_asked_for(campaigner: Api, learned: Learned) -> None:
    named = {}
    for channels in (["EMAIL"], ["PUSH", "EMAIL"], None):
        found = await decide(campaigner, learned.references, **({"channels": channels} if channels else {}))
        blocked = [block["channel"] for one in found for block in one["decision"]["blockedBy"]]
        named["all" if channels is None else len(channels)] = set(blocked) - {None}
    assert named[1] <= {"EMAIL"}
    assert "PUSH" in named[2] <= {"PUSH", "EMAIL"}
    assert named["all"] > named[2]


async def test_what_is_logged_is_read_again(campaigner: Api, learned: Learned) -> None:
    (one,) = await decide(campaigner, learned.references[:1], explore=False)
    query = """query ($id: ID!) { decision(id: $id) { id decidedAt arm explored propensity reasons policy
        debtor { reference } modelVersion { status } outcome { id }
        action { channel sendAt expected { net { amount } } } }
        node(id: $id) { ... on Decision { id propensity } } }"""
    found = await campaigner.ask(query, id=one["decision"]["id"])
    assert found["node"]["id"] == found["decision"]["id"] == one["decision"]["id"]
    decision = found["decision"]
    assert decision["debtor"]["reference"] == learned.references[0]
    assert decision["decidedAt"] == "2026-05-01T00:00:00Z"
    assert decision["outcome"] is None
    assert decision["modelVersion"]["status"] == "CHAMPION"
    assert (decision["arm"], decision["explored"], decision["propensity"]) == ("PLANNED", False, 1.0)
    assert decision["policy"] == "RECOMMENDED@1"
    assert decision["reasons"]


async def test_without_exploring_the_recommendation_is_chosen(
    campaigner: Api, learned: Learned, champions: Champions
) -> None:
    service = RecommendationService(learned.database, champions)
    ids = [debtor.id for debtor in learned.debtors]
    advice = await service.for_debtors(
        learned.tenant_id, ids, within=None, channels=None, as_of=AS_OF + timedelta(minutes=1)
    )
    decided = DecisionService(learned.database, champions)
    made = await decided.decide(
        learned.tenant_id,
        ids,
        within=None,
        channels=None,
        explore=False,
        as_of=AS_OF + timedelta(minutes=1),
        by=operator(AS_OF),
    )
    async with learned.database.transaction(learned.tenant_id) as connection:
        rows = await decisions_by_id(connection, learned.tenant_id, list(made.values()))
    assert sum(advice[debtor_id].best is not None for debtor_id in ids) > len(ids) / 2
    for debtor_id, number in made.items():
        best, action = advice[debtor_id].best, rows[number].action
        chosen = action and (action["channel"], action["weekday"], action["hour"])
        assert chosen == (best and (best.channel, best.weekday, best.hour))


async def test_the_outcome_comes_back_with_the_decisions_id(
    api_of, campaigner: Api, learned: Learned
) -> None:
    (one,) = await decide(campaigner, learned.references[5:6])
    feeder = await api_of(learned.tenant_id, Role.INGEST)
    sent = {
        "reference": "CARRIED-OUT",
        "debtor": learned.references[5],
        "channel": "EMAIL",
        "direction": "OUTBOUND",
        "sentAt": "2026-05-02T10:00:00Z",
        "decisionId": one["decision"]["id"],
    }
    assert (await feeder.ask(RECORD, input=[sent]))["recordCommunications"]["accepted"] == 1
    query = "query ($id: ID!) { decision(id: $id) { outcome { reference } } }"
    found = await campaigner.ask(query, id=one["decision"]["id"])
    assert found["decision"]["outcome"] == {"reference": "CARRIED-OUT"}


async def test_what_was_first_sent_as_decided_is_learned_from_with_its_probability(
    api_of, campaigner: Api, learned: Learned
) -> None:
    found = await decide(campaigner, learned.references[20:60])
    one = next(each for each in found if each["decision"]["action"])
    action, debtor = one["decision"]["action"], one["reference"]
    sent_at = datetime.fromisoformat(action["sendAt"])
    feeder = await api_of(learned.tenant_id, Role.INGEST)
    items = [
        {
            "reference": f"SENT-{name}",
            "debtor": debtor,
            "channel": action["channel"],
            "direction": "OUTBOUND",
            "sentAt": (sent_at + timedelta(minutes=minutes)).isoformat(),
            "decisionId": one["decision"]["id"],
        }
        for name, minutes in (("AS-DECIDED", 0), ("AGAIN", 5), ("LATER", 180))
    ]
    assert (await feeder.ask(RECORD, input=items))["recordCommunications"]["rejected"] == []
    debtor_id = learned.debtors[learned.references.index(debtor)].id
    async with learned.database.transaction(learned.tenant_id) as connection:
        history = await read_history_of(
            connection, learned.tenant_id, [debtor_id], as_of=AS_OF + timedelta(days=9)
        )
    sent = history.communications.filter(pl.col("sent_at") >= AS_OF).sort("sent_at")
    assert sent["propensity"].to_list()[-3:] == [one["decision"]["propensity"], None, None]
    query = "query ($id: ID!) { decision(id: $id) { outcome { reference } } }"
    carried_out = await campaigner.ask(query, id=one["decision"]["id"])
    assert carried_out["decision"]["outcome"] == {"reference": "SENT-AS-DECIDED"}


async def test_a_decision_of_nobody_or_of_somebody_else_is_refused(
    api_of, campaigner: Api, learned: Learned, sample_tenant: int
) -> None:
    (one,) = await decide(campaigner, learned.references[6:7])
    feeder, other = await api_of(learned.tenant_id, Role.INGEST), await api_of(sample_tenant)
    sent = {"reference": "X", "channel": "EMAIL", "direction": "OUTBOUND", "sentAt": "2026-04-30T10:00:00Z"}
    for api, debtor, decision, code in (
        (feeder, learned.references[6], global_id("Decision", 10**9), "UNKNOWN_REFERENCE"),
        (feeder, learned.references[6], "nonsense", None),
        (feeder, learned.references[7], one["decision"]["id"], "DEBTOR_MISMATCH"),
        (other, "D0000010", one["decision"]["id"], "UNKNOWN_REFERENCE"),
    ):
        report = (await api.ask(RECORD, input=[{**sent, "debtor": debtor, "decisionId": decision}]))[
            "recordCommunications"
        ]
        assert report["accepted"] == 0
        assert report["rejected"][0]["field"] == "decisionId"
        assert code in (None, report["rejected"][0]["code"])
    assert (await other.ask("query ($id: ID!) { decision(id: $id) { id } }", id=one["decision"]["id"])) == {
        "decision": None
    }


async def test_hours_that_forbid_the_whole_window_are_named(campaigner: Api, learned: Learned) -> None:
    night = {"from": "2026-05-01T20:00:00Z", "to": "2026-05-01T22:00:00Z"}  # 22 to 24 in Madrid
    async with learned.database.transaction(learned.tenant_id) as connection:
        query = "SELECT reference FROM debtor WHERE time_zone = 'Europe/Madrid' AND country = 'ES' LIMIT 1"
        (somebody,) = await connection.scalars(text(query))
    (found,) = await decide(campaigner, [somebody], within=night)
    hours = [block for block in found["decision"]["blockedBy"] if "_HOURS" in block["rule"]]
    assert found["decision"]["action"] is None
    assert [block["until"] for block in hours] == ["2026-05-02T06:00:00Z"]
    everybody = await rows_of(learned, await decide(campaigner, learned.references, within=night))
    told = {row.reasons[0] for row in everybody if "ES@" in row.rules_version and row.action is None}
    assert any(reason.endswith("the contact rules or what was asked for leave no hour.") for reason in told)
    (found,) = await decide(campaigner, [somebody], within={**night, "to": "2026-05-02T09:00:00Z"})
    assert not any("_HOURS" in block["rule"] for block in found["decision"]["blockedBy"])


async def test_arguments_that_cannot_be_served_are_named(campaigner: Api, api_of, learned: Learned) -> None:
    past = {"from": "2026-04-01T00:00:00Z", "to": "2026-04-08T00:00:00Z"}
    answer = await run(campaigner, "Decide", input={"references": [], **ASKED, "within": past})
    assert answer["decide"]["code"] == "WINDOW_IS_PAST"
    far = {"from": "2127-05-01T00:00:00Z", "to": "2127-05-08T00:00:00Z"}
    answer = await run(campaigner, "Decide", input={"references": [], **ASKED, "within": far})
    assert answer["decide"]["code"] == "WINDOW_TOO_FAR"
    turned = {"from": past["to"], "to": past["from"]}
    error = await campaigner.error(operation("Decide"), input={"references": [], "within": turned})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    error = await campaigner.error(operation("Decide"), input={"references": ["x"] * 1001})
    assert "1,000" in error["message"]
    reader = await api_of(learned.tenant_id, Role.READER)
    error = await reader.error(operation("Decide"), input={"references": []})
    assert error["extensions"]["code"] == "FORBIDDEN"


async def test_before_the_first_model_everybody_is_left_alone_and_told_why(
    api_of, database, tenant_id: int
) -> None:
    await merge_facts(database, tenant_id, {"debtors": [row("debtors")], "accounts": [row("accounts")]})
    api = await api_of(tenant_id, Role.CAMPAIGN)
    (one,) = await decide(api, ["D1"])
    assert one["decision"]["action"] is None
    assert (one["decision"]["eligible"], one["decision"]["propensity"]) == (1, 1.0)
    query = "query ($id: ID!) { decision(id: $id) { reasons modelVersion { id } } }"
    found = (await api.ask(query, id=one["decision"]["id"]))["decision"]
    assert found["modelVersion"] is None
    assert "Train one" in found["reasons"][0]


async def test_a_share_held_out_is_always_left_alone(
    campaigner: Api, learned: Learned, owner_url: str
) -> None:
    def set_share(settings: str) -> None:
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute("UPDATE tenant SET settings = %s WHERE id = %s", (settings, learned.tenant_id))

    set_share('{"hold_out_share": 0.3}')
    first, second = [await decide(campaigner, learned.references) for _ in range(2)]
    week = {"from": "2026-11-02T00:00:00Z", "to": "2026-11-09T00:00:00Z"}
    asked = {"name": "Beside", "within": week, "holdOutShare": 0.5, "asOf": "2026-11-01T00:00:00Z"}
    campaign = (await run(campaigner, "PlanCampaign", input=asked))["planCampaign"]
    page = (await run(campaigner, "CampaignPlan", id=campaign["id"], first=100))["campaign"]["plan"]
    set_share("{}")
    held = [one["reference"] for one in first if one["decision"]["arm"] == "HELD_OUT"]
    assert held == [one["reference"] for one in second if one["decision"]["arm"] == "HELD_OUT"]
    assert 0.15 < len(held) / len(first) < 0.45
    for one in first:
        if one["decision"]["arm"] == "HELD_OUT":
            assert (one["decision"]["action"], one["decision"]["propensity"]) == (None, 0.3)
        else:
            assert one["decision"]["propensity"] <= 0.7
    planned = [edge["node"] for edge in page["edges"]]
    assert planned
    assert not set(held) & {one["debtor"]["reference"] for one in planned}
    assert {one["propensity"] for one in planned} == {0.35}


async def _under(database: Database, learned: Learned, preset: str) -> list[int]:
    """The debtors under a preset of contact rules."""
    async with database.transaction(learned.tenant_id) as connection:
        people = await reachability(connection, learned.tenant_id, learned.ids, known=AS_OF)
    return [number for number, person in people.items() if person.presets[0].name == preset]


async def test_contacts_that_are_planned_count_towards_how_often(
    learned: Learned, champions: Champions
) -> None:
    """A debtor under Reg F is called at most seven times, however often is decided and by how many at once; whoever
    asked first may have to wait for one who asked later."""
    service = DecisionService(learned.database, champions)
    bound = (await _under(learned.database, learned, "US"))[:3]
    later = AS_OF + timedelta(days=40)
    asked = [later - timedelta(milliseconds=number) for number in range(12)]
    for some in (asked[:3], asked[3:6], asked[6:9], asked[9:]):
        await asyncio.gather(
            *(
                service.decide(
                    learned.tenant_id,
                    bound,
                    within=None,
                    channels=frozenset({Channel.VOICE}),
                    explore=True,
                    as_of=as_of,
                    by=operator(as_of),
                )
                for as_of in some
            )
        )
    async with learned.database.transaction(learned.tenant_id) as connection:
        people = await reachability(connection, learned.tenant_id, bound, known=later)
    for person in people.values():
        planned = sorted(past.at for past in person.contacts if past.planned)
        for first, eighth in zip(planned, planned[7:], strict=False):
            assert eighth - first >= timedelta(days=7)


async def test_whoever_waits_for_another_to_decide_keeps_no_connection(
    learned: Learned, champions: Champions, owner_url: str
) -> None:
    """A pool of two: one plans, the others wait for it, and what does not wait is served meanwhile."""
    narrow = Database(owner_url, pool_size=1)
    later = AS_OF + timedelta(days=80)
    deciding, planning = DecisionService(narrow, champions), CampaignService(narrow, champions)
    bound = (await _under(narrow, learned, "US"))[:3]
    week = Window(later, later + timedelta(days=7))

    async def decide():
        return await deciding.decide(
            learned.tenant_id,
            bound,
            within=week,
            channels=None,
            explore=True,
            as_of=later,
            by=operator(later),
        )

    async def plan():
        request = CampaignRequest("Narrow", week)
        return await planning.plan(learned.tenant_id, request, as_of=later, by=operator(later))

    async def read():
        async with narrow.transaction(learned.tenant_id) as connection:
            return await connection.scalar(text("SELECT 1"))

    async with asyncio.timeout(25):  # a pool gives up after thirty seconds
        made = await asyncio.gather(plan(), *(decide() for _ in range(6)), plan(), read())
    await narrow.close()
    assert made[-1] == 1
    assert all(isinstance(number, int) for number in (made[0], made[-2]))
    assert all(len(numbers) == len(bound) for numbers in made[1:-2])


async def test_whoever_waits_for_another_to_decide_heeds_what_came_meanwhile(
    learned: Learned, champions: Champions
) -> None:
    asked_at = AS_OF + timedelta(days=500)
    later = asked_at + timedelta(hours=1)
    bound = (await _under(learned.database, learned, "US"))[:4]
    refusing = next(debtor for debtor in learned.debtors if debtor.id == bound[0])
    refusal = {
        "reference": "REFUSED-MEANWHILE",
        "debtor": refusing.reference,
        "kind": "UNSUBSCRIBED",
        "source": "DIRECT",
        "occurred_at": (asked_at + timedelta(minutes=30)).isoformat(),
    }
    async with deciding_alone(learned.database, learned.tenant_id):
        waiting = asyncio.ensure_future(
            DecisionService(learned.database, champions).decide(
                learned.tenant_id,
                bound,
                within=None,
                channels=None,
                explore=True,
                as_of=asked_at,
                by=operator(asked_at),
                clock=lambda: later,
            )
        )
        report, _ = await merge_facts(learned.database, learned.tenant_id, {"events": [refusal]})
        assert report.tables["events"].accepted == 1
        assert not waiting.done()
    made = await waiting
    async with learned.database.transaction(learned.tenant_id) as connection:
        rows = await decisions_by_id(connection, learned.tenant_id, list(made.values()))
    assert {row.decided_at for row in rows.values()} == {later}
    refused = rows[made[refusing.id]]
    assert refused.action is None
    assert {"OPT_OUT@2026-1"} <= {block["rule"] for block in refused.blocked_by}


async def test_many_decisions_at_once_leave_connections_to_others(
    learned: Learned, champions: Champions, owner_url: str
) -> None:
    """While the scoring threads are busy and many wait for them, what needs no score is served."""
    narrow = Database(owner_url, pool_size=1)
    service = DecisionService(narrow, champions)
    free = (await _under(narrow, learned, "ES"))[:2]

    async def decide_once():
        return await service.decide(
            learned.tenant_id,
            free,
            within=None,
            channels=None,
            explore=True,
            as_of=AS_OF,
            by=operator(AS_OF),
        )

    assert len(await decide_once()) == len(free)  # from here on the model is at hand
    made = await made_beside_a_reader(champions, narrow, learned.tenant_id, [decide_once() for _ in range(6)])
    assert [len(numbers) for numbers in made] == [len(free)] * 6


async def test_a_logged_seed_gives_the_same_choice_again(learned: Learned, champions: Champions) -> None:
    ids = [debtor.id for debtor in learned.debtors[:40]]
    made = []
    for _ in range(2):
        service = DecisionService(learned.database, champions, seeds=lambda: 99)
        decided = await service.decide(
            learned.tenant_id,
            ids,
            within=None,
            channels=None,
            explore=True,
            as_of=AS_OF + timedelta(days=1),
            by=operator(AS_OF),
        )
        async with learned.database.transaction(learned.tenant_id) as connection:
            rows = await decisions_by_id(connection, learned.tenant_id, list(decided.values()))
        made.append([replace(rows[number], id=0, decided_at=AS_OF) for number in decided.values()])
    free = [number for number, row in enumerate(made[0]) if row.rules_version.startswith(("ES", "DK"))]
    assert [made[0][number] for number in free] == [made[1][number] for number in free]
    assert any(made[0][number].explored for number in free)
