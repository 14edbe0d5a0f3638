"""Recommendations for a whole portfolio, in parts: memory is bounded by a part, not by the portfolio."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import numpy as np
import polars as pl
from sqlalchemy.ext.asyncio import AsyncConnection

from api.answers import Evidence, Window
from api.histories import read_history_of
from api.recommendations import translation
from api.recommendations.champions import Champion, Champions
from api.recommendations.hours import hours_of_debtors, window_from
from domain.contact_rules import Reachability
from domain.kpis.messages import Weekday
from domain.storage.reachability import reachability
from domain.storage.reads.portfolio import DebtorKey, count_debtors, debtors_after
from domain.storage.sessions import Database
from ml.frames import History
from ml.scoring import Scorer
from ml.values import Ahead

PART = 5_000

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "debtor": pl.String,
    "segment": pl.String,
    "channel": pl.String,
    "weekday": pl.String,
    "hour": pl.Int8,
    "template": pl.String,
    "send_at": pl.Datetime("us", "UTC"),
    "expected_delivery_rate": pl.Float64,
    "expected_open_rate": pl.Float64,
    "expected_click_rate": pl.Float64,
    "expected_conversion_rate": pl.Float64,
    "expected_collected": pl.Decimal(20, 4),
    "expected_cost": pl.Decimal(20, 4),
    "expected_seconds_to_open_p50": pl.Float64,
    "expected_seconds_to_open_p90": pl.Float64,
    "expected_seconds_to_pay_p50": pl.Float64,
    "expected_seconds_to_pay_p90": pl.Float64,
    "net": pl.Decimal(20, 4),
    "currency": pl.String,
    "evidence": pl.String,
    "blocked_by": pl.List(pl.String),
}
"""Columns of docs/contract/cli.md; a null channel means: leave alone. blocked_by: rule codes."""


async def recommend_everybody(
    database: Database,
    champions: Champions,
    tenant_id: int,
    *,
    within: Window | None,
    as_of: datetime,
    write: Callable[[pl.DataFrame], None],
    progress: Callable[[str, float], None],
) -> int:
    """Decide for every debtor of a tenant and hand the rows over part by part; answers how many there were."""
    champion = await champions.deciding(tenant_id, as_of=as_of)
    scorer = None
    if champion is not None:
        scorer = Scorer.of(champion.model, await champions.plan(tenant_id, champion, None))
    async with database.transaction(tenant_id) as connection:
        total = await count_debtors(connection, tenant_id)
    done, last = 0, 0
    while True:
        async with database.transaction(tenant_id) as connection:
            part = await debtors_after(connection, tenant_id, last, limit=PART)
            if not part:
                break
            last = part[-1].id
            frame = await _decide_part(
                connection, tenant_id, champions, champion, scorer, part, within, as_of
            )
        write(frame)
        done += len(part)
        progress(f"{done:,} of {total:,}", done / max(total, 1))
    if not done:
        write(pl.DataFrame(schema=SCHEMA))
    return done


async def _decide_part(
    connection: AsyncConnection,
    tenant_id: int,
    champions: Champions,
    champion: Champion | None,
    scorer: Scorer | None,
    part: list[DebtorKey],
    within: Window | None,
    as_of: datetime,
) -> pl.DataFrame:
    ids, window = [debtor.id for debtor in part], window_from(within, as_of)
    people = await reachability(connection, tenant_id, ids, known=as_of)
    if champion is None or scorer is None:
        return _undecided(part, [people[key] for key in ids], window)
    history = await read_history_of(connection, tenant_id, ids, as_of=as_of, attributes=champion.attributes)
    decide = partial(_decided, scorer, history, part, [people[key] for key in ids], window, as_of)
    return await champions.run(decide)


def _undecided(part: list[DebtorKey], people: Sequence[Reachability], window: Window) -> pl.DataFrame:
    """Before the first model: there is no telling what works, only what is forbidden."""
    told = pl.Series(Evidence.INSUFFICIENT.value for _ in part)
    return _in_order(pl.DataFrame({"evidence": told, **_standing(part, people, window)}))


def _standing(part: list[DebtorKey], people: Sequence[Reachability], window: Window) -> dict[str, pl.Series]:
    """The columns that no model tells."""
    blocked = [
        [block.rule for block in translation.standing_blocks(person, window, None)] for person in people
    ]
    return {
        "debtor": pl.Series([debtor.reference for debtor in part], dtype=pl.String),
        "segment": pl.Series([debtor.segment for debtor in part], dtype=pl.String),
        "blocked_by": pl.Series(blocked, dtype=SCHEMA["blocked_by"]),
    }


def _decided(
    scorer: Scorer,
    history: History,
    part: list[DebtorKey],
    people: Sequence[Reachability],
    window: Window,
    as_of: datetime,
) -> pl.DataFrame:
    """Score the part and find each action's next lawful instant; computing work, for a scoring thread."""
    masks = hours_of_debtors(people, known=as_of, window=window)
    places = dict(zip(history.debtors["debtor"].to_list(), range(len(history.debtors)), strict=True))
    rows = np.array([places[debtor.id] for debtor in part], dtype=np.int64)
    ahead = Ahead.of(window.start, window.end)
    scores = scorer.scores(scorer.model.casebook(history), rows, ahead=ahead, masks=masks)
    actions = zip(scores["channel"].to_list(), scores["hour_of_week"].to_list(), people, strict=True)
    send_at = [
        translation.next_instant(channel, hour, person, after=window.start, before=window.end)
        if channel is not None
        else None
        for channel, hour, person in actions
    ]
    instants = pl.Series(send_at, dtype=SCHEMA["send_at"])
    return _in_order(_named(scores).with_columns(send_at=instants, **_standing(part, people, window)))


def _named(scores: pl.DataFrame) -> pl.DataFrame:
    """Scores under the names of the file."""
    weekdays = {number: day.value for number, day in enumerate(Weekday)}
    return scores.select(
        "channel",
        "template",
        "currency",
        "evidence",
        weekday=(pl.col("hour_of_week") // 24).replace_strict(weekdays, return_dtype=pl.String),
        hour=pl.col("hour_of_week") % 24,
        expected_delivery_rate="delivery_rate",
        expected_open_rate="open_rate",
        expected_click_rate="click_rate",
        expected_conversion_rate="conversion_rate",
        expected_collected=_rounded("collected"),
        expected_cost=_rounded("cost"),
        net=_rounded("net"),
        expected_seconds_to_open_p50="open_p50",
        expected_seconds_to_open_p90="open_p90",
        expected_seconds_to_pay_p50="pay_p50",
        expected_seconds_to_pay_p90="pay_p90",
    )


def _rounded(name: str) -> pl.Expr:
    """Money as `ml.actions.rounded` gives it: to hundredths, or to ten-thousandths when it is small."""
    return pl.when(pl.col(name).abs() >= 0.1).then(pl.col(name).round(2)).otherwise(pl.col(name).round(4))


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    """All columns of `SCHEMA`, those missing as nulls."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in SCHEMA.items()
    )
