"""Planning through the API: the input read, the use case asked, the campaign out."""

from collections.abc import Sequence

from api.answers import Failure, Money
from api.decisions.requests import CampaignRequest, Capacity
from api.graphql.context import Context
from api.graphql.deciding import channels_of
from api.graphql.types.campaigns import Campaign
from api.graphql.types.decision_inputs import CapacityInput, PlanCampaignInput
from api.graphql.types.inputs import DebtorWhere, as_json, as_stored_json
from api.graphql.types.models import UserError
from api.graphql.windows import instant_of, window_of
from api.services import InvalidArgument
from domain.debtor_where import DebtorWhere as DebtorsWanted
from domain.debtor_where import read_debtor_where
from domain.filters import FilterError, check_extent

USUAL_HOLD_OUT = 0.1


async def plan_campaign(context: Context, given: PlanCampaignInput) -> Campaign | UserError:
    """Plan a campaign and log it."""
    try:
        request = _request(given)
    except FilterError as error:
        return UserError(code=error.code, message=error.message, path=list(error.path))
    await context.catch_up()
    made = await context.services.campaigns.plan(
        context.tenant_id,
        request,
        as_of=instant_of(given.as_of or None, context.now, argument="input.asOf"),
        by=context.signature,
        clock=None if given.as_of else context.clock,
    )
    if isinstance(made, Failure):
        return UserError.of(made)
    row = await context.loaders.campaign.load(made)
    if row is None:
        raise LookupError(f"campaign {made} was planned and is gone")
    return Campaign.of(row, context.now)


def _request(given: PlanCampaignInput) -> CampaignRequest:
    window = window_of(given.within, argument="input.within")
    if window is None:
        raise InvalidArgument("input.within: say when contacts may be.", path=("input", "within"))
    share = given.hold_out_share
    return CampaignRequest(
        name=given.name,
        within=window,
        where=_where(given.where) if given.where else None,
        channels=channels_of(given.channels),
        capacity=_capacities(given.capacity),
        budget=Money(given.budget.amount, given.budget.currency) if given.budget else None,
        hold_out_share=USUAL_HOLD_OUT if share is None else share,
        asked=as_stored_json(given),
    )


def _where(given: DebtorWhere) -> DebtorsWanted:
    path = ("input", "where")
    wanted = read_debtor_where(as_json(given), path)
    check_extent(wanted, path)
    return wanted


def _capacities(given: Sequence[CapacityInput] | None) -> list[Capacity]:
    return [
        Capacity(one.channel, _number(one.per_day), _number(one.total))
        for one in (given if isinstance(given, list) else [])
    ]


def _number(given: int | None) -> int | None:
    return given if isinstance(given, int) else None
