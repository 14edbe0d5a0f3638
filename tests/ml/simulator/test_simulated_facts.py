"""A simulated data set is one that the import format accepts, row for row, and the same for the same seed."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from ml.simulator import CHANNELS, DEFAULT, PRESETS, SimulatedWorld, WorldSpec, harder, simulate

END = date(2026, 5, 1)
WORLDS = [*PRESETS.values(), harder(DEFAULT)]
KINDS = {
    "DELIVERED",
    "BOUNCED_HARD",
    "BOUNCED_SOFT",
    "OPENED",
    "CLICKED",
    "LANDED",
    "PAYMENT_STARTED",
    "PAYMENT_FAILED",
    "PAYMENT_ABANDONED",
    "REPLIED",
    "RIGHT_PARTY_CONTACTED",
    "UNSUBSCRIBED",
    "COMPLAINED",
}


@pytest.fixture(scope="module", params=WORLDS, ids=lambda world: world.name)
def world(request: pytest.FixtureRequest) -> SimulatedWorld:
    spec: WorldSpec = request.param
    return simulate(400, seed=11, end=END, world=spec)


def test_the_same_arguments_give_the_same_world() -> None:
    once, again, other = (simulate(150, seed=seed, end=END) for seed in (5, 5, 6))
    for name, frame in once.facts.items():
        assert frame.equals(again.facts[name]), name
    assert not once.facts["communications"].equals(other.facts["communications"])
    assert once.truth.actions().equals(again.truth.actions())


@pytest.mark.parametrize("debtors", [1, 2, 3])
def test_the_smallest_worlds_stand(debtors: int) -> None:
    world = simulate(debtors, seed=1, end=END)
    assert len(world.facts["debtors"]) == debtors
    assert set(world.truth.benchmarks()) == {"historical", "best_fixed", "segment_oracle", "debtor_optimum"}


def test_no_debtors_is_a_named_error() -> None:
    with pytest.raises(ValueError, match="debtors: 0 is too few"):
        simulate(0, seed=1, end=END)


def test_references_are_unique_but_for_repeated_events(world: SimulatedWorld) -> None:
    for name, frame in world.facts.items():
        if "reference" in frame.columns:
            assert frame["reference"].null_count() == 0, name
            assert len(frame.unique()) == frame["reference"].n_unique(), name
            assert (len(frame) > len(frame.unique())) == (name == "events"), name
    assert not world.facts["contact_points"].select("debtor", "channel", "address").is_duplicated().any()
    assert not world.facts["exchange_rates"].select("date", "currency").is_duplicated().any()
    assert not world.facts["finance"].select("month", "currency").is_duplicated().any()


def test_every_reference_leads_somewhere(world: SimulatedWorld) -> None:
    facts = world.facts
    known = {
        name: set(facts[name]["reference"]) for name in ("debtors", "accounts", "agents", "communications")
    }
    for name, frame in facts.items():
        for column, table in (
            ("debtor", "debtors"),
            ("account", "accounts"),
            ("agent", "agents"),
            ("communication", "communications"),
        ):
            if column in frame.columns:
                assert set(frame[column].drop_nulls()) <= known[table], (name, column)
    assert set(facts["debtors"]["reference"]) == set(facts["accounts"]["debtor"])
    assert set(facts["communications"]["template"].drop_nulls()) <= set(facts["templates"]["reference"])


def test_a_fact_agrees_with_its_parents(world: SimulatedWorld) -> None:
    facts = world.facts
    accounts = facts["accounts"].select(account="reference", owner="debtor", accounted="currency")
    sent = facts["communications"].select(communication="reference", to="debtor", sent="sent_at")
    events = facts["events"].join(sent, on="communication")
    assert (events["debtor"] == events["to"]).all()
    assert (events["occurred_at"] > events["sent"]).all()
    for name in ("payments", "promises"):
        rows = facts[name].join(accounts, on="account")
        assert len(rows) == len(facts[name])
        assert (rows["currency"] == rows["accounted"]).all(), name
        caused = rows.join(sent, on="communication")
        assert (caused["owner"] == caused["to"]).all(), name
    letters = facts["communications"].drop_nulls("account").join(accounts, on="account")
    assert (letters["debtor"] == letters["owner"]).all()


def test_every_value_is_one_the_format_allows(world: SimulatedWorld) -> None:
    facts = world.facts
    outbound = facts["communications"].filter(pl.col("direction") == "OUTBOUND")
    assert set(facts["communications"]["channel"]) <= set(CHANNELS)
    assert set(outbound["channel"]) <= set(world.world.channels)
    assert set(facts["events"]["kind"]) <= KINDS
    assert set(facts["promises"]["direction"]) <= {"INBOUND", "OUTBOUND"}
    for name, column in (
        ("accounts", "principal"),
        ("payments", "amount"),
        ("promises", "amount"),
        ("exchange_rates", "rate"),
    ):
        assert facts[name][column].min() > 0, (name, column)
    assert outbound["cost"].min() >= 0
    assert outbound.filter(pl.col("cost").is_not_null())["currency"].null_count() == 0
    assert outbound["propensity"].drop_nulls().is_between(0, 1).all()
    assert (outbound["propensity"].null_count() == len(outbound)) == (not world.world.propensities)
    assert facts["debtors"]["phone"].drop_nulls().str.contains(r"^\+[1-9]\d{7,14}$").all()
    assert (facts["debtors"]["segment"].null_count() == 400) == (not world.world.own_segments)
    assert (facts["accounts"]["opened_on"] <= facts["accounts"]["due_on"]).all()
    requests = facts["contact_requests"].filter(pl.col("kind") == "ONLY_BETWEEN")
    assert (requests["from_hour"] < requests["to_hour"]).all()
    assert requests["to_hour"].is_between(1, 24).all()
    assert facts["contact_requests"].filter(pl.col("kind") == "NOT_BEFORE")["until"].null_count() == 0


def test_a_promise_is_never_due_before_the_local_day_it_was_made(world: SimulatedWorld) -> None:
    facts = world.facts
    zones = (
        facts["accounts"]
        .select(account="reference", debtor="debtor")
        .join(facts["debtors"].select(debtor="reference", time_zone="time_zone"), on="debtor")
    )
    promises = facts["promises"].join(zones, on="account")
    for zone, promised, due in promises.select("time_zone", "promised_at", "due_on").iter_rows():
        assert due >= promised.astimezone(ZoneInfo(zone)).date()


def test_nothing_happens_after_the_end(world: SimulatedWorld) -> None:
    end = datetime.combine(END, time(), UTC)
    for name, column in (
        ("communications", "sent_at"),
        ("events", "occurred_at"),
        ("payments", "paid_at"),
        ("payments", "reversed_at"),
        ("promises", "promised_at"),
        ("contact_requests", "made_at"),
        ("contact_points", "opted_out_at"),
    ):
        latest = world.facts[name][column].max()
        assert latest is None or latest < end, (name, column)
    assert (world.facts["accounts"]["closed_on"].drop_nulls() < END).all()


def test_contacts_keep_to_local_hours_and_to_what_debtors_asked(world: SimulatedWorld) -> None:
    zones = world.facts["debtors"].select(debtor="reference", time_zone="time_zone")
    outbound = (
        world.facts["communications"].filter(pl.col("direction") == "OUTBOUND").join(zones, on="debtor")
    )
    hours: dict[str, list[tuple[datetime, str, int]]] = {}
    for debtor, channel, sent, zone in outbound.select(
        "debtor", "channel", "sent_at", "time_zone"
    ).iter_rows():
        hour = sent.astimezone(ZoneInfo(zone)).hour
        assert 8 <= hour < 21
        hours.setdefault(debtor, []).append((sent, channel, hour))
    honoured = 0
    for row in world.facts["contact_requests"].iter_rows(named=True):
        for sent, channel, hour in hours.get(row["debtor"], []):
            if sent <= row["made_at"]:
                continue
            honoured += 1
            if row["kind"] == "STOP":
                assert row["channel"] not in (None, channel)
            elif row["kind"] == "ONLY_BETWEEN":
                assert row["from_hour"] <= hour < row["to_hour"]
            else:
                assert sent >= row["until"] - timedelta(days=1)
    assert honoured > 0


def test_nobody_pays_more_than_is_owed(world: SimulatedWorld) -> None:
    owed = dict(world.facts["accounts"].select("reference", "principal").iter_rows())
    moves: dict[str, list[tuple[datetime, int, object]]] = {}
    for row in world.facts["payments"].iter_rows(named=True):
        moves.setdefault(row["account"], []).append((row["paid_at"], 1, row["amount"]))
        if row["reversed_at"] is not None:
            moves[row["account"]].append((row["reversed_at"], -1, row["amount"]))
    for account, changes in moves.items():
        assert sum(sign * amount for _, sign, amount in changes) <= owed[account], account
