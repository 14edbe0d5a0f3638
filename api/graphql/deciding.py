"""Deciding through the API: arguments read, the use case asked, logged decisions out."""

from collections.abc import Sequence

from api.answers import Failure
from api.graphql.context import Context
from api.graphql.counts import MOST_REFERENCES, at_most
from api.graphql.queries import debtors_by_reference, unknown_reference
from api.graphql.types.decision_inputs import DecideInput
from api.graphql.types.logged import DecidedReference, DecideReport, Decision
from api.graphql.types.models import UserError
from api.graphql.windows import instant_of, window_of
from domain.vocabulary import Channel


async def decide(context: Context, given: DecideInput) -> DecideReport | UserError:
    """Decide for each reference and log it; unknown references come back with an error each.

    Raises:
        InvalidArgument: too many references, or a window that ends before it begins.
    """
    at_most(given.references, MOST_REFERENCES, "input.references")
    window = window_of(given.within or None, argument="input.within")
    found = await debtors_by_reference(context, given.references)
    made = await context.services.decisions.decide(
        context.tenant_id,
        [debtor.row.id for debtor in found.values()],
        within=window,
        channels=channels_of(given.channels),
        explore=given.explore is not False,
        as_of=instant_of(given.as_of or None, context.now, argument="input.asOf"),
        by=context.signature,
        clock=None if given.as_of else context.clock,
    )
    if isinstance(made, Failure):
        return UserError.of(made)
    numbers = [
        made.get(found[reference].row.id) if reference in found else None for reference in given.references
    ]
    decisions = await _decisions(context, [number for number in numbers if number is not None])
    return DecideReport(
        decisions=[
            DecidedReference(
                reference=reference,
                decision=None if number is None else decisions[number],
                error=None if number is not None else _unknown(index),
            )
            for index, (reference, number) in enumerate(zip(given.references, numbers, strict=True))
        ]
    )


def channels_of(given: Sequence[Channel] | None) -> frozenset[Channel] | None:
    """The channels of an input; None when they were left out or null: every one."""
    return frozenset(given) if isinstance(given, list) else None


async def _decisions(context: Context, numbers: Sequence[int]) -> dict[int, Decision]:
    rows = await context.loaders.decision.load_many(list(numbers))
    return {row.id: Decision.of(row) for row in rows if row is not None}


def _unknown(index: int) -> UserError:
    error = unknown_reference(index)
    return UserError(code=error.code, message=error.message, path=["input", *error.path])
