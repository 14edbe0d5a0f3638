"""The verb that plans a campaign under limits: plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli import edge
from api.cli.models import FromOption, OutOption, ToOption, file_of_parts, window_of

if TYPE_CHECKING:
    from pathlib import Path

    from api.answers import Window
    from api.databases import DatabaseServer
    from api.decisions.requests import CampaignRequest, Capacity
    from domain.storage.reads.campaigns import CampaignRow

_CAPACITY = re.compile(r"(?P<channel>[A-Za-z]+)=(?P<number>\d{1,9})(?P<per_day>/day)?")
_BUDGET = re.compile(r"(?P<amount>\d{1,15}(\.\d{1,4})?) ?(?P<currency>[A-Z]{3})")


@edge.app.command()
def plan(
    tenant: edge.TenantOption,
    out: OutOption,
    capacity: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHANNEL=N",
            help="At most N contacts of a channel in all, or on a UTC day: VOICE=1000, VOICE=150/day. "
            "May be given more than once. Default: no limit.",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="AMOUNT", help="What all contacts may cost, like 5000EUR. Default: no limit."),
    ] = None,
    start: FromOption = None,
    end: ToOption = None,
    hold_out: Annotated[
        float, typer.Option(min=0, max=0.9, help="The share left alone to measure the lift.")
    ] = 0.1,
    name: Annotated[
        str | None,
        typer.Option(
            parser=edge.written, metavar="NAME", help="The campaign's name. Default: Plan of the minute."
        ),
    ] = None,
    as_of: edge.AsOfOption = None,
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[CHANNEL=N]...", help="More capacities.")
    ] = None,
) -> None:
    """Plan the contacts that bring the most within limits, log them as a campaign, and write them as a Parquet file.

    One row per decision: those to be contacted, and those held out (a null channel: leave alone). Send decision_id back
    with the communication.
    """
    now = as_of or _now()
    request = _request(
        name or f"Plan of {now:%Y-%m-%d %H:%M}",
        window_of(start, end, now),
        [*(capacity or []), *(more or [])],
        budget,
        hold_out,
    )
    clock = _now if as_of is None else None
    with edge.server() as server:
        made = edge.wait_for(_plan(server, tenant, out, request, now, clock))
    _print(made, out)


def _now() -> datetime:
    return datetime.now(UTC)


def _print(made: CampaignRow, out: Path) -> None:
    edge.out.print(
        f"Campaign {made.name!r}: {made.planned_count:,} contacts planned, {made.held_out_count:,} held out, "
        f"{made.blocked_count:,} blocked by contact rules; in {out}",
        markup=False,
    )
    for currency, money in made.expected["money"].items():
        edge.out.print(
            f"Expected net: {money['net']} {currency} (90 %: {money['low']} to {money['high']})", markup=False
        )
    for reason in made.expected["reasons"]:
        edge.out.print(reason, markup=False)


def _request(
    name: str, within: Window, capacity: Sequence[str], budget: str | None, hold_out: float
) -> CampaignRequest:
    from api.answers import Money
    from api.decisions.requests import CampaignRequest

    asked = {
        "name": name,
        "within": {"from": within.start.isoformat(), "to": within.end.isoformat()},
        "capacity": list(capacity),
        "budget": budget,
        "holdOutShare": hold_out,
    }
    money = None
    if budget is not None:
        found = _BUDGET.fullmatch(budget.strip())
        if found is None:
            raise typer.BadParameter(
                f"{budget!r} is no amount; write it like 5000EUR.", param_hint="'--budget'"
            )
        money = Money(Decimal(found["amount"]), found["currency"])
    return CampaignRequest(
        name=name,
        within=within,
        capacity=_capacities(capacity),
        budget=money,
        hold_out_share=hold_out,
        asked=asked,
    )


def _capacities(given: Sequence[str]) -> list[Capacity]:
    """One per channel: `VOICE=1000` and `VOICE=150/day` together are one."""
    from api.decisions.requests import Capacity
    from domain.vocabulary import Channel

    limits: dict[Channel, dict[str, int]] = {}
    for text in (part for each in given for part in each.split(",")):
        found = _CAPACITY.fullmatch(text.strip())
        if found is None or found["channel"].upper() not in Channel.__members__:
            raise typer.BadParameter(
                f"{text!r} is no capacity; write it like VOICE=1000 or VOICE=150/day, with one of "
                f"{', '.join(Channel)}.",
                param_hint="'--capacity'",
            )
        kind = "per_day" if found["per_day"] else "total"
        limits.setdefault(Channel(found["channel"].upper()), {})[kind] = int(found["number"])
    return [Capacity(channel, **numbers) for channel, numbers in limits.items()]


async def _plan(
    server: DatabaseServer,
    tenant: str,
    out: Path,
    request: CampaignRequest,
    as_of: datetime,
    clock: Callable[[], datetime] | None,
) -> CampaignRow:
    from api.answers import Failure
    from api.decisions.campaigns import CampaignService
    from api.decisions.rows import frame_of, still_decided
    from api.wiring import open_champions
    from domain.audit import operator
    from domain.storage.derived import catch_up
    from domain.storage.reads.campaigns import campaigns_by_id

    async with edge.tenant(server, tenant) as (database, tenant_id):
        async with database.transaction(tenant_id) as connection:
            await catch_up(connection, tenant_id, now=as_of)
        with (
            open_champions(database, edge.settings()) as champions,
            edge.progress_bar("Planning") as show,
            file_of_parts(out) as write,
        ):
            write(frame_of([], [], [], []))
            made = await CampaignService(database, champions).plan(
                tenant_id,
                request,
                as_of=as_of,
                by=operator(_now()),
                clock=clock,
                progress=show,
                write=lambda *part: write(frame_of(*part)),
                written=lambda withdrawn: write.join(still_decided(withdrawn) if withdrawn else None),
            )
            if isinstance(made, Failure):
                raise edge.CommandError(made.code, made.message)
        async with database.transaction(tenant_id) as connection:
            return (await campaigns_by_id(connection, tenant_id, [made]))[made]
