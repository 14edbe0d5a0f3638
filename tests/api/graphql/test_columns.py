"""Lists completed by column answer what ordinary execution answers."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from graphql import GraphQLObjectType

from api.answers import (
    ForecastKey,
    ForecastKpi,
    ForecastNote,
    ForecastPoint,
    ForecastSeries,
    KpiForecast,
    Quantiles,
    Unit,
)
from api.graphql import columns
from domain.lasting import Lasting
from domain.storage.sessions import Database
from domain.vocabulary import Channel
from tests.api.models import store_model
from tests.api.portfolio import Api, operation

PERIOD = {"from": "2026-01-15T00:00:00Z", "to": "2026-05-01T00:00:00Z"}
DIMENSIONS = (
    *("SEGMENT", "CHANNEL", "TEMPLATE", "AGENT", "DPD_BUCKET"),
    *("CURRENCY", "HOUR", "WEEKDAY", "DAY", "MONTH"),
)
KEY = (
    *("segment", "channel", "template", "agent", "dpdBucket", "currency"),
    *("hour", "weekday", "day", "month", "country", "__typename"),
)
FIGURES = (
    *("sent", "twice: sent", "converted", "deliveryRate", "clickToOpenRate", "__typename"),
    *("collected { amount currency }", "money: netCollected { of: currency amount __typename }"),
    *("cost { ...Amount }", "reaction { sentToOpen { count p50 } sentToPay { mean } }"),
    *("reaction { sentToOpen { p90 medianCensored } }", "... @include(if: $yes) { key { channel } }"),
    *("... on MessageKpiRow @include(if: $yes) { clicked }", "opened @skip(if: $yes)"),
)


def random_query(rng: random.Random) -> str:
    chosen = rng.sample(FIGURES, rng.randrange(1, 7))
    key = f"{rng.choice(['', 'of: '])}key {{ {' '.join(rng.sample(KEY, rng.randrange(1, 5)))} }}"
    fragment = (
        "fragment Amount on Money { amount again: amount }"
        if any("...Amount" in one for one in chosen)
        else ""
    )
    return (
        "query Kpis($period: PeriodInput!, $by: [MessageDimension!]!, $yes: Boolean!) "
        f"{{ kpis(period: $period) {{ asOf messages(by: $by) {{ {key} {' '.join(chosen)} }} }} }} {fragment}"
    )


def _as_ever(self: columns.ColumnExecutor, kind, nodes, info, path, result, position):
    """How a list is completed that is none of columns."""
    return super(columns.ColumnExecutor, self).complete_list_value(
        kind, nodes, info, path, list(result), position
    )


@pytest.fixture
def without_columns(monkeypatch: pytest.MonkeyPatch):
    """Switch completion by column off and on."""

    def switch(*, on: bool) -> None:
        if on:
            monkeypatch.undo()
        else:
            executor = columns.ColumnExecutor
            monkeypatch.setattr(executor, "complete_list_value", _as_ever)

    return switch


async def test_by_column_and_field_by_field_are_the_same(api: Api, without_columns) -> None:
    rng = random.Random(3)
    for _ in range(60):
        query = random_query(rng)
        variables = {
            "period": PERIOD,
            "by": rng.sample(DIMENSIONS, rng.randrange(3)),
            "yes": rng.random() < 0.5,
        }
        if "key" not in query or ("$yes" not in query.split("{", 1)[1]):
            query = query.replace(", $yes: Boolean!", "")
            variables.pop("yes")
        by_column = await api.ask(query, **variables)
        without_columns(on=False)
        field_by_field = await api.ask(query, **variables)
        without_columns(on=True)
        assert by_column == field_by_field
        assert repr(by_column) == repr(field_by_field)  # the order of fields as well


async def test_no_row_of_kpis_is_executed_field_by_field(api: Api, monkeypatch) -> None:
    async def fail(self: object, kind: GraphQLObjectType, *_: object) -> None:
        raise AssertionError(kind.name)

    executor = columns.ColumnExecutor
    others = executor.complete_object_value
    monkeypatch.setattr(
        executor,
        "complete_object_value",
        lambda self, kind, *rest: (fail if kind.name == "MessageKpiRow" else others)(self, kind, *rest),
    )
    assert (await api.ask(operation("MessageKpis"), period=PERIOD, by=["CHANNEL", "DAY"]))["kpis"]["messages"]


async def test_what_a_type_refuses_is_left_to_ordinary_execution(api: Api, monkeypatch) -> None:
    """A value that is no Int is the error that it always was, whichever way the list is completed."""
    monkeypatch.setitem(columns._COMPUTED, ("MessageKpiRow", "sent"), (None, lambda _: "many"))
    told = await api.ask(operation("MessageKpis"), period=PERIOD, by=["CHANNEL"])
    assert all(isinstance(row["sent"], int) for row in told["kpis"]["messages"])


async def test_forecasts_are_answered_alike(
    api: Api, database: Database, sample_tenant: int, services, without_columns
) -> None:
    """Series with and without a difference, quantiles that are undefined, keys of all kinds."""
    version_id = await store_model(database, sample_tenant, version=41)
    some, none = Quantiles(0.1, 0.25, None), Quantiles(None, None, None)
    points = [ForecastPoint(date(2026, 5, 1) + timedelta(days=n), 1.0, n / 3, None) for n in range(3)]
    key = ForecastKey("LATE", Channel.SMS)
    series = (
        ForecastSeries(ForecastKpi.OPEN_RATE, Unit.RATE, key, tuple(points), some, none),
        ForecastSeries(ForecastKpi.DSO, Unit.DAYS, ForecastKey(currency="EUR"), (), None, None),
        ForecastSeries(
            ForecastKpi.COLLECTED, Unit.MONEY, ForecastKey(currency="EUR"), tuple(points[:1]), some
        ),
    )
    notes = (ForecastNote("SHORT_HISTORY", "Short."),)
    whole = KpiForecast(datetime(2026, 5, 1, tzinfo=UTC), version_id, Lasting(series), (), notes)

    async def fixed(*_: object, **__: object) -> KpiForecast:
        return whole

    query = """{ kpiForecast(horizonDays: 3, policy: CURRENT) { asOf notes { code message } series {
        kpi unit key { segment channel of: currency __typename } points { day p05 low: p05 p50 p95 }
        total { p05 p50 } difference { p05 p95 __typename } } } }"""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(services.forecasts), "forecast", fixed)
        by_column = await api.ask(query)
        without_columns(on=False)
        assert await api.ask(query) == by_column
    first, second, third = by_column["kpiForecast"]["series"]
    assert [point["p50"] for point in first["points"]] == [0.0, 1 / 3, 2 / 3]
    assert (second["total"], second["points"], third["difference"]) == (None, [], None)
    assert first["difference"] == {"p05": None, "p95": None, "__typename": "Quantiles"}
