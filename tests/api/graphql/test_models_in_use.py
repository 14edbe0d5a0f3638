"""Promoting, rolling back and cancelling through the API, with what decides; races leave one champion and one truth."""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import update

from api.answers import Failure
from api.auth import create_key
from api.cli.training import show
from api.graphql import columns
from api.graphql.ids import global_id
from api.http import create_app
from api.jobs.queue import JobQueue
from api.jobs.system import create_job_tables
from api.recommendations.champions import Champions
from api.recommendations.service import RecommendationService
from api.settings import Settings
from api.training.service import TrainingService
from domain.audit import operator
from domain.storage import models
from domain.storage.sessions import Database
from domain.storage.tables import model_version
from domain.vocabulary import ModelStatus, Role
from ml.artefact import _signature
from tests.api.graphql.test_query_counts import direct_statements, statements
from tests.api.learned import AS_OF, KEY, Learned
from tests.api.models import open_nothing
from tests.api.portfolio import Api, operation
from tests.domain.storage.test_models import make_version, statuses

ASKED = {"asOf": (AS_OF + timedelta(hours=1)).isoformat()}
ADVISE = """query ($references: [String!]!, $asOf: DateTime) {
    debtorRecommendations(references: $references, asOf: $asOf) {
        recommendation { evidence reasons best { channel } modelVersion { id } } } }"""


async def run(api: Api, name: str, **variables: object):
    return await api.ask(operation(name), **variables)


@pytest_asyncio.fixture(loop_scope="session")
async def real(
    database: Database, owner_url: str, services, champions: Champions
) -> AsyncIterator[httpx.AsyncClient]:
    """The application with real advice and real training runs, without a worker."""
    create_job_tables(owner_url)
    queue = JobQueue(owner_url)
    advised = replace(
        services,
        recommendations=RecommendationService(database, champions),
        training=TrainingService(database, queue, lambda: AS_OF + timedelta(days=400), open_nothing),
    )
    app = create_app(advised, Settings(), clock=lambda: AS_OF + timedelta(hours=1))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://dunwell.test") as client:
        yield client
    queue.close()


async def api_for(real: httpx.AsyncClient, database: Database, tenant_id: int) -> Api:
    return Api(real, await create_key(database, tenant_id, Role.ADMIN, now=AS_OF))


async def test_the_champion_is_swapped_and_rolled_back_without_a_restart(
    real: httpx.AsyncClient, learned: Learned
) -> None:
    """Two processes' worth of services: what one promotes, the other decides by, at its next decision."""
    api = await api_for(real, learned.database, learned.tenant_id)
    other = Champions(learned.database, KEY)

    async def deciding() -> set[str]:
        (one,) = (await api.ask(ADVISE, references=learned.references[:1], **ASKED))["debtorRecommendations"]
        found = await other.deciding(learned.tenant_id, as_of=AS_OF)
        assert found is not None
        return {one["recommendation"]["modelVersion"]["id"], global_id("ModelVersion", found.version_id)}

    (before,) = await deciding()
    second = global_id("ModelVersion", await learned.store())
    assert await deciding() == {second}
    back = (await run(api, "RollBackModel"))["rollBackModel"]
    assert back == {"id": before, "status": "CHAMPION"}
    assert await deciding() == {before}
    again = (await run(api, "PromoteModel", id=second))["promoteModel"]
    assert again["status"] == "CHAMPION"
    assert (await run(api, "RollBackModel"))["rollBackModel"]["id"] == before
    other.close()


async def test_a_version_that_cannot_be_opened_does_not_come_to_decide(
    database: Database, owner_url: str, champions: Champions, learned: Learned
) -> None:
    """Left by a build of another format: decisions would fail from then on."""
    create_job_tables(owner_url)
    queue = JobQueue(owner_url)
    training = TrainingService(database, queue, lambda: AS_OF + timedelta(days=400), champions.model)
    former = await learned.store()
    await learned.age(former)
    present = await learned.store()
    back = await training.roll_back(learned.tenant_id, by=operator(AS_OF))
    again = await training.promote(learned.tenant_id, former, by=operator(AS_OF))
    queue.close()
    assert isinstance(back, Failure)
    assert isinstance(again, Failure)
    assert back.code == again.code == "ARTEFACT_INCOMPATIBLE"
    assert back.message.startswith("Not rolled back: the model has format 1, ")
    assert again.message.startswith("Not promoted: the model has format 1, ")
    found = await champions.deciding(learned.tenant_id, as_of=AS_OF)
    assert found is not None
    assert found.version_id == present


async def test_many_who_promote_at_once_leave_connections_to_open_models_on(
    owner_url: str, learned: Learned
) -> None:
    create_job_tables(owner_url)
    queue, few = JobQueue(owner_url), Database(owner_url, pool_size=1)
    champions = Champions(few, KEY)
    training = TrainingService(few, queue, lambda: AS_OF + timedelta(days=400), champions.model)
    version_id = await learned.store()
    async with asyncio.timeout(20):
        made = await asyncio.gather(
            *(training.promote(learned.tenant_id, version_id, by=operator(AS_OF)) for _ in range(4))
        )
    assert made == [version_id] * 4
    champions.close()
    queue.close()
    await few.close()


async def test_promoting_rolling_back_and_cancelling_at_once_leave_one_champion(
    real: httpx.AsyncClient, database: Database, tenant_id: int
) -> None:
    api = await api_for(real, database, tenant_id)
    versions = [await make_version(database, tenant_id) for _ in range(3)]
    running = (await run(api, "TrainModels", input={"promote": "AUTO"}))["trainModels"]
    asked = [run(api, "PromoteModel", id=global_id("ModelVersion", number)) for number in versions * 2]
    asked += [run(api, "RollBackModel"), run(api, "CancelTraining", id=running["id"])]
    answers = await asyncio.gather(*asked)
    assert all("promoteModel" not in each or each["promoteModel"]["id"] for each in answers)
    assert list((await statuses(database, tenant_id)).values()).count("CHAMPION") == 1
    assert answers[-1]["cancelTraining"] == {"id": running["id"], "status": "CANCELLED"}
    too_late = (await run(api, "CancelTraining", id=running["id"]))["cancelTraining"]
    assert too_late["code"] == "ALREADY_FINISHED"
    shown = (await run(api, "TrainingRun", id=running["id"]))["trainingRun"]
    assert (shown["status"], shown["modelVersion"]) == ("CANCELLED", None)


async def test_the_mutation_that_a_training_prints_promotes_its_model(
    real: httpx.AsyncClient, database: Database, tenant_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    version_id = await make_version(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        version = await models.find_version(connection, tenant_id, version_id)
    assert version is not None
    show(version)
    (printed,) = re.findall("mutation {.*}", capsys.readouterr().out)
    api = await api_for(real, database, tenant_id)
    assert await api.ask(printed) == {"promoteModel": {"status": "CHAMPION"}}
    show(replace(version, status=ModelStatus.CHAMPION))
    older = {
        "passed": False,
        "checks": [{"name": "not_older_than_champion", "passed": False, "message": "."}],
    }
    show(replace(version, gate=older))  # would be refused
    assert "mutation" not in capsys.readouterr().out


async def test_what_cannot_be_promoted_is_named(
    real: httpx.AsyncClient, database: Database, new_tenant
) -> None:
    mine, other = new_tenant(), new_tenant()
    api = await api_for(real, database, mine)
    newer = await make_version(database, mine)
    older = await make_version(database, mine, AS_OF - timedelta(days=90))
    foreign = await make_version(database, other)
    for number, code in (
        (foreign, "NOT_FOUND"),
        (10**9, "NOT_FOUND"),
        (newer, None),
        (older, "CHAMPION_KNOWS_MORE"),
    ):
        found = (await run(api, "PromoteModel", id=global_id("ModelVersion", number)))["promoteModel"]
        assert found.get("code") == code
    assert (await run(api, "RollBackModel"))["rollBackModel"]["code"] == "NO_PREVIOUS_CHAMPION"


async def test_a_debtor_that_no_channel_reaches_is_left_alone_and_told_why(
    real: httpx.AsyncClient, learned: Learned
) -> None:
    api = await api_for(real, learned.database, learned.tenant_id)
    await owing(api, "HERMIT", country="ES")
    (advice,) = (await api.ask(ADVISE, references=["HERMIT"], **ASKED))["debtorRecommendations"]
    assert advice["recommendation"]["best"] is None
    assert "No channel reaches them" in advice["recommendation"]["reasons"][0]
    (one,) = (await run(api, "Decide", input={"references": ["HERMIT"], **ASKED}))["decide"]["decisions"]
    assert one["decision"]["action"] is None
    assert {block["rule"].split("@")[0] for block in one["decision"]["blockedBy"]} == {"NO_ADDRESS"}
    assert one["decision"]["eligible"] == 1


async def test_what_was_never_seen_in_training_is_decided_for(
    real: httpx.AsyncClient, learned: Learned
) -> None:
    """A product, a country, a language and an attribute that the model has never met, in a segment of three."""
    api = await api_for(real, learned.database, learned.tenant_id)
    strange = [f"STRANGER-{number}" for number in range(3)]
    for reference in strange:
        await owing(
            api,
            reference,
            country="JP",
            language="ja",
            email=f"{reference}@example.test",
            phone="+81312345678",
            segment="ISLANDERS",
            attributes={"x_planet": "Mars"},
            product="SPACESHIP",
        )
    advice = (await api.ask(ADVISE, references=strange, **ASKED))["debtorRecommendations"]
    assert {one["recommendation"]["evidence"] for one in advice} == {"INSUFFICIENT"}
    assert all(one["recommendation"]["best"] is None and one["recommendation"]["reasons"] for one in advice)
    decided = (await run(api, "Decide", input={"references": strange, **ASKED}))["decide"]["decisions"]
    assert [one["decision"]["action"] for one in decided] == [None] * 3
    (segment,) = (await run(api, "SegmentRecommendations", segments=["ISLANDERS"], **ASKED))[
        "segmentRecommendations"
    ]
    assert segment["recommendation"]["evidence"] == "INSUFFICIENT"
    assert segment["recommendation"]["best"] is None


async def owing(api: Api, reference: str, *, product: str = "CARD", **traits: object) -> None:
    """A debtor who owes 100 euros."""
    debtor = {"reference": reference, "name": reference.title(), **traits}
    account = {
        "reference": f"A-{reference}",
        "debtor": reference,
        "product": product,
        "currency": "EUR",
        "principal": "100",
        "openedOn": "2026-01-01",
        "dueOn": "2026-02-01",
    }
    for name, item in (("UpsertDebtors", debtor), ("UpsertAccounts", account)):
        (report,) = (await run(api, name, input=[item])).values()
        assert report["rejected"] == []


async def test_a_model_that_failed_its_gate_does_not_decide_by_itself(
    real: httpx.AsyncClient, database: Database, tenant_id: int
) -> None:
    version_id = await make_version(database, tenant_id, AS_OF)
    async with database.transaction(tenant_id) as connection:
        await connection.execute(
            update(model_version)
            .where(model_version.c.id == version_id)
            .values(gate={"passed": False, "checks": []})
        )
    api = await api_for(real, database, tenant_id)
    await owing(api, "D1", country="ES", email="d1@example.test")
    (one,) = (await run(api, "Decide", input={"references": ["D1"], **ASKED}))["decide"]["decisions"]
    assert one["decision"]["action"] is None
    asked = {"name": "May", "within": {"from": ASKED["asOf"], "to": (AS_OF + timedelta(days=7)).isoformat()}}
    planned = (await run(api, "PlanCampaign", input={**asked, **ASKED}))["planCampaign"]
    assert planned["code"] == "NO_MODEL"
    assert "promoteModel" in planned["message"]


@pytest.mark.parametrize("damage", ["TAMPERED", "TRUNCATED", "INCOMPATIBLE"])
async def test_a_damaged_model_is_refused_by_name(
    api_of, learned: Learned, owner_url: str, damage: str
) -> None:
    content, manifest = learned.trained.artefact, dict(learned.trained.manifest)
    if damage == "TAMPERED":
        content = content[:-1] + bytes([content[-1] ^ 1])
    elif damage == "TRUNCATED":
        content = content[:-10]
    else:
        unsigned = {name: value for name, value in manifest.items() if name != "signature"}
        unsigned["libraries"] = {**manifest["libraries"], "lightgbm": "1.0.0"}
        manifest = {**unsigned, "signature": _signature(unsigned, KEY)}
    version_id = await learned.store(artefact=content, manifest=manifest)
    api = await api_of(learned.tenant_id)
    try:
        for name, variables in (("Decide", {"input": {"references": learned.references[:1], **ASKED}}),):
            error = await api.error(operation(name), **variables)
            assert error["extensions"]["code"] == f"ARTEFACT_{damage}"
            way_out = r"; .*train again: dunwell train --tenant learned\w+, or the mutation trainModels$"
            assert re.search(way_out, error["message"])
    finally:
        async with learned.database.transaction(learned.tenant_id) as connection:
            await connection.execute(
                update(model_version).where(model_version.c.id == version_id).values(gate={"passed": False})
            )
            await models.roll_back(connection, learned.tenant_id)


FIELDS = (
    *("evidence", "reasons", "modelVersion { id version trainedAt dataTo }", "modelVersion { status }"),
    *(
        "blockedBy { rule until }",
        "best { channel sendAt at: sendAt expected { net { low } } }",
        "__typename",
    ),
    *("alternatives { weekday hour sendAt template expected { secondsToPay { p90 } openRate } }",),
    *("... @include(if: $yes) { best { reasons sendAt } }", "best { expected { collected { amount } } }"),
)


async def test_what_is_kept_of_a_segment_is_answered_as_field_by_field(
    real: httpx.AsyncClient, learned: Learned
) -> None:
    """Any selection of it, at any instant, in one place and in several; also what no kept JSON can tell."""
    api = await api_for(real, learned.database, learned.tenant_id)
    rng = random.Random(2)
    told = set()
    for _ in range(25):
        query = (
            "query Q($asOf: DateTime, $within: PeriodInput, $yes: Boolean!) { segmentRecommendations("
            "asOf: $asOf, within: $within) { segment { key debtorCount name } recommendation { "
            f"{' '.join(rng.sample(FIELDS, rng.randrange(1, 6)))} }} __typename @include(if: $yes) }} }}"
        )
        at = AS_OF + timedelta(minutes=rng.randrange(10_000))
        variables = {
            "asOf": at.isoformat(),
            "within": rng.choice(
                [None, {"from": at.isoformat(), "to": (at + timedelta(days=2)).isoformat()}]
            ),
            "yes": rng.random() < 0.5,
        }
        first, again = await api.ask(query, **variables), await api.ask(query, **variables)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(columns, "Rows", type("Nothing", (), {}))
            field_by_field = await api.ask(query, **variables)
        assert repr(first) == repr(again) == repr(field_by_field)
        told |= {
            action["sendAt"]
            for each in first["segmentRecommendations"]
            for action in each["recommendation"].get("alternatives", ())
        }
    assert len(told) > 2


@pytest.mark.parametrize("segments", [None, ["NONE"]])
async def test_segments_take_one_statement(
    real: httpx.AsyncClient, learned: Learned, monkeypatch: pytest.MonkeyPatch, segments: list[str] | None
) -> None:
    """Sizes, places, rules, the deciding model and whether all is caught up; however many segments there are."""
    api = await api_for(real, learned.database, learned.tenant_id)
    await run(api, "SegmentRecommendations", **ASKED)
    with direct_statements(monkeypatch) as direct, statements(learned.database, all_of_them=True) as others:
        await run(api, "SegmentRecommendations", segments=segments, **ASKED)
    assert len(direct) == 1
    assert others == []


async def test_a_training_by_no_facts_at_all_is_not_begun(
    real: httpx.AsyncClient, database: Database, tenant_id: int
) -> None:
    api = await api_for(real, database, tenant_id)
    refused = (await run(api, "TrainModels", input={"asOf": "0001-01-01T00:00:00Z"}))["trainModels"]
    assert (refused["code"], refused["path"]) == ("BAD_USER_INPUT", ["input", "asOf"])
    begun = (await run(api, "TrainModels", input={"asOf": "1900-01-01T00:00:00Z"}))["trainModels"]
    assert begun["status"] == "QUEUED"
