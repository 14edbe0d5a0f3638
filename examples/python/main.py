"""Who is behind, how to contact the largest segment, and a training watched to its end."""

import asyncio
import os

from dunwell_client import (
    DebtorOrder,
    DebtorOrderField,
    DebtorWhere,
    Dunwell,
    IntFilter,
    Promotion,
    SortDirection,
    TrainModelsInput,
)
from dunwell_client.train_models import TrainModelsTrainModelsTrainingRun

URL = os.environ.get("DUNWELL_URL", "http://127.0.0.1:8000/graphql")
AUTHORIZATION = {"Authorization": f"Bearer {os.environ.get('DUNWELL_KEY', '')}"}


async def show_debtors(dunwell: Dunwell) -> None:
    """Print the longest overdue debtors."""
    longest = DebtorOrder(field=DebtorOrderField.DAYS_PAST_DUE, direction=SortDirection.DESC)
    page = await dunwell.debtors(
        first=5, where=DebtorWhere(days_past_due=IntFilter(gte=30)), order_by=[longest]
    )
    for edge in page.debtors.edges:
        debtor = edge.node
        owed = ", ".join(f"{money.amount:,} {money.currency}" for money in debtor.balance)
        print(f"{debtor.reference}: {debtor.days_past_due} days, {owed}, {debtor.segment.key}")


async def show_advice(dunwell: Dunwell) -> None:
    """Print how to contact the largest segment."""
    segments = (await dunwell.segments()).segments
    by_size = sorted(segments, key=lambda segment: segment.debtor_count, reverse=True)
    found = await dunwell.segment_recommendations(segments=[segment.key for segment in by_size[:1]])
    for each in found.segment_recommendations:
        best = each.recommendation.best
        reasons = " ".join(each.recommendation.reasons)
        advice = (
            f"{best.channel.value} on {best.weekday.value} at {best.hour}:00"
            if best
            else f"leave alone ({reasons})"
        )
        print(f"{each.segment.key}: {advice}")


async def watch_training(dunwell: Dunwell) -> None:
    """Train, and print how it goes."""
    run = (await dunwell.train_models(TrainModelsInput(promote=Promotion.NEVER))).train_models
    if not isinstance(run, TrainModelsTrainModelsTrainingRun):
        print(f"No training: {run.code}")
        return
    async for told in dunwell.training_progress(run.id):
        progress = told.training_progress
        print(f"training: {progress.status.value}, {progress.stage}")


async def main() -> None:
    """Ask the three questions."""
    dunwell = Dunwell(
        url=URL,
        headers=AUTHORIZATION,
        ws_url=URL.replace("http", "ws", 1),
        ws_connection_init_payload=dict(AUTHORIZATION),
    )
    async with dunwell:
        await show_debtors(dunwell)
        await show_advice(dunwell)
        await watch_training(dunwell)


if __name__ == "__main__":
    asyncio.run(main())
