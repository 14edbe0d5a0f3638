"""Which model decides: none before the first, swapped without a restart, never one from the future or one altered."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import pytest_asyncio
import structlog
from sqlalchemy import update

from api.answers import Evidence, ForecastKpi, ForecastPolicy, Window
from api.forecasting.counting import Tallies
from api.forecasting.service import ForecastService
from api.histories import export, load, read_history_of
from api.jobs.training import CannotLearn
from api.recommendations.champions import Champions
from api.recommendations.service import RecommendationService
from api.services import InvalidArgument, Services
from api.serving import warm_up
from api.training.learner import ModelLearner
from domain.contact_rules import blocks
from domain.contact_rules.standing import address_blocks
from domain.storage import models
from domain.storage.models import load_artefact
from domain.storage.reachability import reachability
from domain.storage.sessions import Database
from domain.storage.tables import debtor, model_version
from domain.vocabulary import Channel
from ml.artefact import ArtefactError, ArtefactIncompatible, ArtefactTampered
from tests.api.learned import AS_OF, KEY, Learned

DEBTORS = 60


@pytest_asyncio.fixture(loop_scope="session")
async def portfolio(learned_apart) -> AsyncIterator[Learned]:
    async with learned_apart(DEBTORS) as learned:
        yield learned


@pytest_asyncio.fixture(loop_scope="session")
async def champions(portfolio: Learned) -> AsyncIterator[Champions]:
    champions = Champions(portfolio.database, KEY)
    yield champions
    champions.close()


async def test_a_few_debtors_histories_are_those_in_the_whole(portfolio: Learned, tmp_path: Path) -> None:
    ids = portfolio.ids[:5]
    async with portfolio.database.transaction(portfolio.tenant_id) as connection:
        await export(connection, portfolio.tenant_id, as_of=AS_OF, folder=tmp_path / "whole")
        few = await read_history_of(connection, portfolio.tenant_id, ids, as_of=AS_OF, attributes=["x_none"])
    whole = load(tmp_path / "whole")
    assert whole.debtors.height == DEBTORS
    assert few.debtors["x_none"].is_null().all()
    for name in ("accounts", "communications", "payments", "promises"):
        mine, all_ = getattr(few, name), getattr(whole, name)
        key = mine.columns[0]
        expected = all_.filter(all_["debtor"].is_in(ids)).select(mine.columns).sort(key)
        assert mine.sort(key).equals(expected), name


async def test_before_the_first_model_the_answer_is_honest(
    portfolio: Learned, champions: Champions, tmp_path: Path
) -> None:
    service = RecommendationService(portfolio.database, champions)
    everybody = {"within": None, "channels": None, "as_of": AS_OF}
    ids = portfolio.ids
    async with portfolio.database.transaction(portfolio.tenant_id) as connection:
        people = await reachability(connection, portfolio.tenant_id, ids, known=AS_OF)
    of_segments = await service.for_segments(portfolio.tenant_id, segments=None, now=AS_OF, **everybody)
    found = [each.advice.whole() for each in of_segments]
    of_debtors = await service.for_debtors(portfolio.tenant_id, ids, **everybody)
    found += of_debtors.values()
    assert len(found) > DEBTORS
    for debtor_id, advice in of_debtors.items():
        standing = {
            block.rule for channel in Channel for block in address_blocks(AS_OF, channel, people[debtor_id])
        }
        assert standing <= {block.rule for block in advice.blocked_by}
    assert any(advice.blocked_by for advice in of_debtors.values())
    for advice in found:
        assert (advice.evidence, advice.best, advice.model_version_id) == (Evidence.INSUFFICIENT, None, None)
        assert "Train one" in advice.reasons[0]
        assert "promoteModel" in advice.reasons[0]
    forecasts = ForecastService(portfolio.database, Tallies(portfolio.database, tmp_path), champions)
    assert await forecasts.forecast(
        portfolio.tenant_id, horizon_days=3, policy=ForecastPolicy.CURRENT, by=[], kpis=None, as_of=AS_OF
    ) is None  # fmt: skip


async def test_recommendations_are_lawful_and_inside_the_window(
    portfolio: Learned, champions: Champions
) -> None:
    version_id = await portfolio.store()
    service = RecommendationService(portfolio.database, champions)
    ids = portfolio.ids
    window = Window(AS_OF + timedelta(days=2), AS_OF + timedelta(days=4))
    channels = frozenset({Channel.EMAIL, Channel.SMS})
    found = await service.for_debtors(portfolio.tenant_id, ids, within=window, channels=channels, as_of=AS_OF)
    assert set(found) == set(ids)
    async with portfolio.database.transaction(portfolio.tenant_id) as connection:
        people = await reachability(connection, portfolio.tenant_id, ids, known=AS_OF)
    for debtor_id, advice in found.items():
        assert advice.model_version_id == version_id
        assert {block.channel for block in advice.blocked_by} <= {None, *channels}
        for action in filter(None, [advice.best, *advice.alternatives]):
            assert action.channel in channels
            if action.send_at is not None:
                assert window.start <= action.send_at < window.end
                assert blocks(action.send_at, action.channel, people[debtor_id]) == []


async def test_the_champion_is_swapped_without_a_restart(portfolio: Learned, champions: Champions) -> None:
    first = await portfolio.store()
    decides = await champions.deciding(portfolio.tenant_id, as_of=AS_OF)
    assert decides is not None
    assert decides.version_id == first
    second = await portfolio.store()
    decides = await champions.deciding(portfolio.tenant_id, as_of=AS_OF)
    assert decides is not None
    assert decides.version_id == second
    async with portfolio.database.transaction(portfolio.tenant_id) as connection:
        await models.roll_back(connection, portfolio.tenant_id)
    decides = await champions.deciding(portfolio.tenant_id, as_of=AS_OF)
    assert decides is not None
    assert decides.version_id == first


async def test_about_the_past_a_model_decides_that_knew_nothing_later(
    portfolio: Learned, champions: Champions
) -> None:
    earlier = await portfolio.store(
        data_to=AS_OF - timedelta(days=30), promote=False, gate={"passed": True, "checks": []}
    )
    latest = await portfolio.store()
    at = {
        days: await champions.deciding(portfolio.tenant_id, as_of=AS_OF - timedelta(days=days))
        for days in (0, 10, 40)
    }
    assert [found and found.version_id for found in at.values()] == [latest, earlier, None]


@pytest.mark.parametrize("damage", ["tampered", "truncated", "another key"])
async def test_an_altered_artefact_is_never_opened(portfolio: Learned, damage: str) -> None:
    version_id = await portfolio.store()
    content = portfolio.trained.artefact
    changed = {"tampered": content[:-1] + bytes([content[-1] ^ 1]), "truncated": content[:-10]}.get(
        damage, content
    )
    async with portfolio.database.transaction(portfolio.tenant_id) as connection:
        await connection.execute(
            update(model_version).where(model_version.c.id == version_id).values(artefact=changed)
        )
    champions = Champions(portfolio.database, b"another key" if damage == "another key" else KEY)
    for _ in range(2):  # the failure is not kept
        with pytest.raises(ArtefactError):
            await champions.deciding(portfolio.tenant_id, as_of=AS_OF)
    champions.close()


async def test_a_model_copied_over_from_another_tenant_or_version_decides_nothing(
    portfolio: Learned,
) -> None:
    """With its manifest and its signature, as a backup put back in the wrong place would be."""
    first = await portfolio.store()
    other = replace(portfolio, tenant_id=await portfolio.database.tenant_id("other"))
    places = [(portfolio, await portfolio.store()), (other, await other.store())]
    async with portfolio.database.transaction(portfolio.tenant_id) as connection:
        stored = await load_artefact(connection, portfolio.tenant_id, first)
    copied = {"manifest": stored.manifest, "artefact": stored.content}
    for place, version_id in places:
        async with place.database.transaction(place.tenant_id) as connection:
            changed = update(model_version).where(model_version.c.id == version_id)
            await connection.execute(changed.values(copied))
        champions = Champions(place.database, KEY)
        with pytest.raises(ArtefactTampered, match="train again"):
            await champions.model(place.tenant_id, version_id)
        champions.close()


async def test_forecasts_name_what_cannot_be_forecast(
    portfolio: Learned, champions: Champions, tmp_path: Path
) -> None:
    await portfolio.store()
    service = ForecastService(portfolio.database, Tallies(portfolio.database, tmp_path), champions)

    async def forecast(**changes: object) -> object:
        asked = {"horizon_days": 3, "policy": ForecastPolicy.CURRENT, "by": [], "kpis": None, "as_of": AS_OF}
        return await service.forecast(portfolio.tenant_id, **{**asked, **changes})

    assert await forecast() is await forecast()
    for horizon in (0, 91, 1000):
        with pytest.raises(InvalidArgument) as error:
            await forecast(horizon_days=horizon)
        assert error.value.path == ("horizonDays",)
    everything = await forecast()
    assert {series.kpi for series in everything.series} == set(ForecastKpi)


async def test_what_goes_on_as_it_does_is_forecast_though_the_model_cannot_be_opened(
    portfolio: Learned, champions: Champions, tmp_path: Path
) -> None:
    version_id = await portfolio.store(artefact=b"")
    service = ForecastService(portfolio.database, Tallies(portfolio.database, tmp_path), champions)
    asked = {"horizon_days": 3, "by": [], "kpis": [ForecastKpi.SENT], "as_of": AS_OF}
    found = await service.forecast(portfolio.tenant_id, policy=ForecastPolicy.CURRENT, **asked)
    assert found is not None
    assert found.model_version_id == version_id
    with pytest.raises(ArtefactError):
        await service.forecast(portfolio.tenant_id, policy=ForecastPolicy.RECOMMENDED, **asked)


@pytest.mark.parametrize("fault", ["ARTEFACT_TRUNCATED", "ARTEFACT_INCOMPATIBLE"])
async def test_a_champion_that_does_not_open_is_named_in_a_line_and_keeps_no_other_from_deciding(
    portfolio: Learned, champions: Champions, caplog: pytest.LogCaptureFixture, tmp_path: Path, fault: str
) -> None:
    before = AS_OF - timedelta(days=1)
    version_id = await portfolio.store(
        data_to=before, **({"artefact": b""} if fault == "ARTEFACT_TRUNCATED" else {})
    )
    if fault == "ARTEFACT_INCOMPATIBLE":
        await portfolio.age(version_id)
    learner = ModelLearner(KEY)
    champion = await learner.champion(portfolio.database, portfolio.tenant_id)
    assert champion is None
    (told,) = [record for record in caplog.records if "judged alone" in record.getMessage()]
    assert f"({fault}: the model has " in told.getMessage()
    assert told.exc_info is None
    # Judged as a first champion is, so nothing it cannot be compared in is asked of the new one; nor is it refused.
    assert not any("champion" in check["name"] for check in portfolio.trained.gate["checks"])
    successor = await portfolio.store()
    decides = await champions.deciding(portfolio.tenant_id, as_of=AS_OF)
    assert decides is not None
    assert decides.version_id == successor


def older_than_the_champion(**passed: bool | None) -> dict[str, object]:
    """What the gate says of a model trained as of an earlier instant, good by itself but for what is named."""
    alone = {"engaged_log_loss": True, "engaged_calibration": True, "converted_log_loss": None}
    compared = {"not_older_than_champion": False, "no_segment_worse_than_champion": False}
    checks = {**alone, **compared, **passed}
    return {
        "passed": False,
        "checks": [{"name": name, "passed": held, "message": "."} for name, held in checks.items()],
    }


@pytest.mark.parametrize(
    ("gate", "decides"),
    [
        (older_than_the_champion(), True),
        (older_than_the_champion(engaged_calibration=False), False),
        (older_than_the_champion(engaged_log_loss=None), False),
        (older_than_the_champion(not_older_than_champion=True), False),
    ],
    ids=["good by itself", "bad by itself", "not to be judged", "worse than a champion of its time"],
)
async def test_a_model_trained_for_an_earlier_instant_decides_about_it_if_good_by_itself(
    portfolio: Learned, champions: Champions, gate: dict[str, object], decides: bool
) -> None:
    past = AS_OF - timedelta(days=30)
    await portfolio.store()
    earlier = await portfolio.store(data_to=past, promote=False, gate=gate)
    deciding = await champions.deciding(portfolio.tenant_id, as_of=past)
    assert (deciding is not None and deciding.version_id == earlier) is decides
    assert (deciding is None) is not decides


async def test_a_model_of_the_past_that_does_not_open_is_followed_by_one_that_knows_as_much(
    portfolio: Learned, champions: Champions
) -> None:
    past = AS_OF - timedelta(days=30)
    await portfolio.age(
        await portfolio.store(data_to=past, promote=False, gate={"passed": True, "checks": []})
    )
    latest = await portfolio.store()
    with pytest.raises(
        ArtefactIncompatible, match=r"train again: dunwell train --tenant \w+ --as-of "
    ) as refusal:
        await champions.deciding(portfolio.tenant_id, as_of=AS_OF - timedelta(days=10))
    told = re.search(r"--as-of (\S+), or the mutation trainModels with that asOf$", str(refusal.value))
    assert told is not None
    follower = await portfolio.store(
        data_to=datetime.fromisoformat(told[1]), promote=False, gate=older_than_the_champion()
    )
    for days, expected in ((0, latest), (10, follower)):
        decides = await champions.deciding(portfolio.tenant_id, as_of=AS_OF - timedelta(days=days))
        assert decides is not None
        assert decides.version_id == expected


class _OneUnread:
    """Recommendations of tenants of which one has a model that does not open."""

    def __init__(self, unread: int, fault: Exception | None = None) -> None:
        self.unread, self.asked = unread, []
        self.fault = fault or ArtefactTampered("altered")

    async def for_segments(self, tenant_id: int, **_: object) -> None:
        self.asked.append(tenant_id)
        if tenant_id == self.unread:
            raise self.fault


async def test_a_model_that_does_not_open_keeps_no_other_from_being_read_ahead(
    database: Database, new_tenant, caplog: pytest.LogCaptureFixture
) -> None:
    new_tenant(), new_tenant()
    tenants = (await database.tenant_ids())[:8]
    recommendations = _OneUnread(tenants[0])
    await warm_up(cast(Services, SimpleNamespace(database=database, recommendations=recommendations)))
    assert recommendations.asked == tenants
    (told,) = [record for record in caplog.records if "does not open" in record.getMessage()]
    assert "ARTEFACT_TAMPERED: altered" in told.getMessage()
    assert told.exc_info is None


async def test_nor_does_any_other_fault_which_is_logged_without_its_values(
    database: Database, new_tenant
) -> None:
    new_tenant(), new_tenant()
    tenants = (await database.tenant_ids())[:8]
    recommendations = _OneUnread(tenants[0], ValueError("cannot read 'Jane Doe'"))
    with structlog.testing.capture_logs() as logged:
        await warm_up(cast(Services, SimpleNamespace(database=database, recommendations=recommendations)))
    assert recommendations.asked == tenants
    assert logged[0]["kind"] == "builtins.ValueError"
    assert "Jane" not in str(logged)


async def test_a_history_without_contacts_teaches_nothing(
    database: Database, tenant_id: int, tmp_path: Path
) -> None:
    learner = ModelLearner(KEY)
    await learner.export(database, tenant_id, as_of=AS_OF, folder=tmp_path / "empty")
    with pytest.raises(CannotLearn) as error:
        learner.learn(
            tmp_path / "empty",
            as_of=AS_OF,
            champion=None,
            now=AS_OF,
            place="",
            progress=lambda stage, share: None,
        )
    assert error.value.code == "NO_CONTACTS"


async def test_a_debtor_without_the_custom_attributes_of_training_is_decided_for(
    portfolio: Learned, champions: Champions
) -> None:
    await portfolio.store()
    service = RecommendationService(portfolio.database, champions)
    debtor_id = portfolio.ids[0]
    async with portfolio.database.transaction(portfolio.tenant_id) as connection:
        await connection.execute(update(debtor).where(debtor.c.id == debtor_id).values(attributes={}))
    found = await service.for_debtors(
        portfolio.tenant_id, [debtor_id], within=None, channels=None, as_of=AS_OF
    )
    assert found[debtor_id].reasons
