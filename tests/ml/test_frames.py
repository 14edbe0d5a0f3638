import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ml.decisions import debtor_recommendations
from ml.frames import SCHEMAS, Facts, History, HistoryError, empty_frame
from ml.recipe import train
from tests.ml.factories import at, history, instants, tiny

KEYS = {
    "debtor": "debtors",
    "account": "accounts",
    "communication": "communications",
    "payment": "payments",
    "promise": "promises",
}
SAMPLE = Path(__file__).parent.parent / "data" / "sample"


def sample_facts() -> Facts:
    facts: Facts = {}
    for path in sorted((SAMPLE / "facts").iterdir()):
        facts[path.stem] = (
            pl.read_csv(path, infer_schema=False) if path.suffix == ".csv" else pl.read_parquet(path)
        )
    return facts


def test_the_sample_s_funnel_and_attribution_match_its_published_kpis() -> None:
    known = History.from_facts(sample_facts(), as_of=datetime(2026, 6, 1, tzinfo=UTC))
    expected = json.loads((SAMPLE / "expected.json").read_text())["message_kpis"]["channel"]
    start, end = datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
    causes = known.payments["communication"].drop_nulls().implode()
    rows = (
        known.outbound.filter(pl.col("sent_at").is_between(start, end, closed="left"))
        .group_by("channel")
        .agg(
            sent=pl.len(),
            delivered=pl.col("delivered").sum(),
            clicked=pl.col("clicked_at").is_not_null().sum(),
            converted=pl.col("communication").is_in(causes).sum(),
        )
    )
    found = {row["channel"]: row for row in rows.iter_rows(named=True)}
    for row in expected:
        mine = found[row["channel"]]
        assert {name: mine[name] for name in ("sent", "delivered", "converted")} == {
            name: row[name] for name in ("sent", "delivered", "converted")
        }


def test_frames_are_conformed_to_the_schema_whatever_the_exporter_left_out() -> None:
    known = tiny(key=int)
    for table, schema in SCHEMAS.items():
        frame = getattr(known, table)
        assert list(schema) == [name for name in frame.columns if not name.startswith("x_")]
    assert known.payments.schema["account"] == pl.Int64
    assert known.promises.schema["communication"] == pl.Int64


def test_a_missing_required_column_is_named() -> None:
    with pytest.raises(HistoryError, match=r"accounts lacks the column\(s\) principal, due_on"):
        History(
            as_of=at(1),
            currency="EUR",
            debtors=empty_frame("debtors"),
            accounts=empty_frame("accounts").drop("principal", "due_on"),
            communications=empty_frame("communications"),
            payments=empty_frame("payments"),
            promises=empty_frame("promises"),
        )


def test_a_naive_as_of_is_refused() -> None:
    with pytest.raises(HistoryError, match="aware"):
        tiny().__class__(**{**vars(tiny()), "as_of": datetime(2026, 1, 1)})  # noqa: DTZ001


def test_known_at_forgets_what_came_later() -> None:
    known = history()
    earlier = known.known_at(at(60))
    assert earlier.communications["sent_at"].max() <= at(60)
    assert earlier.communications["opened_at"].drop_nulls().max() <= at(60)
    assert earlier.payments["paid_at"].max() <= at(60)
    assert len(earlier.communications) < len(known.communications)


def test_human_engagement_proves_delivery_and_a_letter_needs_no_receipt() -> None:
    rows = {
        "channel": ["EMAIL", "EMAIL", "LETTER", "LETTER", "EMAIL"],
        "delivered_at": instants(None, at(1), None, None, at(1)),
        "bounced_hard_at": instants(at(1), at(2), None, None, None),
        "bounced_soft_at": instants(None, None, None, at(1), None),
        "opened_at": instants(at(2), None, None, None, None),
    }
    one = tiny(contacts=5, debtors=1, engaged=False)
    sent = one.communications.with_columns(**{name: pl.Series(values) for name, values in rows.items()})
    known = History(**{**vars(one), "communications": sent})
    assert known.outbound["delivered"].to_list() == [True, False, True, False, True]


def test_usable_channels_leave_out_opt_outs_and_dead_addresses() -> None:
    facts: Facts = {
        "debtors": pl.DataFrame(
            {"reference": ["A", "B", "C", "D"], "email": "x@example.org", "country": "ES"}
        ),
        "accounts": pl.DataFrame({"reference": ["1"], "debtor": ["A"], "currency": "EUR", "principal": "5"}),
        "communications": pl.DataFrame(
            {
                "reference": ["c1", "c2", "c3"],
                "debtor": ["A", "B", "D"],
                "channel": "EMAIL",
                "direction": "OUTBOUND",
                "sent_at": "2026-03-01T09:00:00Z",
            }
        ),
        "events": pl.DataFrame(
            {
                "reference": ["e1", "e2", "e3"],
                "debtor": ["A", "B", "D"],
                "communication": ["c1", "c2", "c3"],
                "kind": ["UNSUBSCRIBED", "BOUNCED_HARD", "COMPLAINED"],
                "occurred_at": "2026-03-01T09:05:00+00:00",
            }
        ),
        "contact_points": pl.DataFrame(
            {"debtor": ["C", "C"], "channel": ["EMAIL", "PUSH"], "address": ["x@example.org", "token"]}
        ).with_columns(opted_out_at=pl.Series(["2026-03-02T00:00:00Z", None])),
    }
    known = History.from_facts(facts, as_of=datetime(2026, 4, 1, tzinfo=UTC))
    assert known.debtors["channels"].to_list() == [[], [], ["PUSH"], []]
    before = History.from_facts(facts, as_of=datetime(2026, 3, 1, 9, 1, tzinfo=UTC))
    assert before.debtors["channels"].to_list() == [["EMAIL"], ["EMAIL"], ["EMAIL", "PUSH"], ["EMAIL"]]


def test_neither_keys_nor_the_order_of_arrival_decide_what_is_learned() -> None:
    known = history(debtors=600)
    sent = known.communications.with_columns(pl.col("sent_at").dt.truncate("1h"))  # many at one instant
    known = replace(known, communications=sent).in_order()
    other, debtors = _rekeyed(known, np.random.default_rng(1))
    first, second = (train(one, as_of=known.as_of, seed=1, threads=1) for one in (known, other.in_order()))
    keys = known.debtors["debtor"].to_list()
    told = debtor_recommendations(first, known, keys, now=known.as_of)
    again = debtor_recommendations(second, other, [debtors[key] for key in keys], now=known.as_of)
    actions = [[one.recommendation.best for one in answers] for answers in (told, again)]
    assert sum(best is not None for best in actions[0]) > 100
    for best, same in zip(*actions, strict=True):
        assert (best is None) == (same is None)
        if best and same:
            assert (best.channel, best.hour_of_week) == (same.channel, same.hour_of_week)
            assert best.expected.conversion_rate == pytest.approx(same.expected.conversion_rate, rel=1e-9)


def _rekeyed(known: History, rng: np.random.Generator) -> tuple[History, dict[str, int]]:
    """The same facts under other keys, in any order; and the debtors' new keys."""
    keys = {
        key: dict(zip(getattr(known, table)[key], rng.permutation(len(getattr(known, table))), strict=True))
        for key, table in KEYS.items()
    }
    frames = {}
    for table in KEYS.values():
        frame = getattr(known, table)
        columns = [
            pl.col(key).replace_strict(keys[key], default=None, return_dtype=pl.Int64)
            for key in keys
            if key in frame.columns
        ]
        frames[table] = frame.with_columns(columns).sample(fraction=1, shuffle=True, seed=4)
    return replace(known, **frames), keys["debtor"]
