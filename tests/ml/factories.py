"""Histories for the tests of the learning core, made once per run."""

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl

from ml.frames import INSTANT, History
from ml.model import TrainedModel
from ml.recipe import train
from tests.ml.world_facts import START
from tests.ml.worlds import World, make_world

SEED = 3


@cache
def world(form: str = "bump", debtors: int = 2500, seed: int = 1) -> World:
    return make_world(form=form, debtors=debtors, seed=seed, segments=6)


@cache
def history(form: str = "bump", debtors: int = 2500, seed: int = 1) -> History:
    made = world(form, debtors, seed)
    return History.from_facts(made.facts, as_of=made.as_of)


@cache
def model(form: str = "bump", debtors: int = 2500, seed: int = 1) -> TrainedModel:
    known = history(form, debtors, seed)
    return train(known, as_of=known.as_of, seed=SEED, threads=1)


def instants(*moments: datetime | None) -> pl.Series:
    return pl.Series(moments, dtype=INSTANT)


def at(day: int, hour: int = 10) -> datetime:
    return START + timedelta(days=day, hours=hour)


def tiny(
    contacts: int = 6,
    *,
    debtors: int = 3,
    engaged: bool = True,
    key: type[int] | type[str] = str,
    zone: str = "UTC",
) -> History:
    """A handful of debtors, each written to `contacts` times, by hand."""
    keys = [key(number) for number in range(debtors)]
    total = debtors * contacts
    sent = [at(2 * (row % contacts), 9 + row % 5) for row in range(total)]
    opened = [
        moment + timedelta(hours=1) if engaged and row % 3 == 0 else None for row, moment in enumerate(sent)
    ]
    return History(
        as_of=datetime(2026, 6, 1, tzinfo=UTC),
        currency="EUR",
        debtors=pl.DataFrame(
            {"debtor": keys, "time_zone": zone, "segment": "FEW", "channels": [["EMAIL"]] * debtors}
        ),
        accounts=pl.DataFrame(
            {
                "account": keys,
                "debtor": keys,
                "currency": "EUR",
                "principal": 100.0,
                "due_on": [at(0).date()] * debtors,
            }
        ),
        communications=pl.DataFrame(
            {
                "communication": [key(1000 + row) for row in range(total)],
                "debtor": np.repeat(keys, contacts).tolist(),
                "channel": "EMAIL",
                "direction": "OUTBOUND",
                "sent_at": instants(*sent),
                "segment": "FEW",
                "delivered_at": instants(*sent),
                "opened_at": instants(*opened),
            },
            schema_overrides={"communication": pl.Int64 if key is int else pl.String},
        ),
        payments=pl.DataFrame(
            {"payment": [], "account": [], "debtor": [], "amount": [], "currency": [], "paid_at": []}
        ),
        promises=pl.DataFrame(
            {
                name: []
                for name in ("promise", "account", "debtor", "amount", "currency", "promised_at", "due_on")
            }
        ),
    )
