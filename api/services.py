"""The use cases behind the API, as the edges see them; `api.wiring` joins them to the rooms.

Expected failures come back as `Failure` values where the return type says so; bad arguments
raise `InvalidArgument`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from api.answers import (
    Failure,
    ForecastDimension,
    ForecastKpi,
    ForecastPolicy,
    KpiForecast,
    Recommendation,
    SegmentAdvice,
    TrainingRun,
    Window,
)
from api.decisions.requests import CampaignRequest
from domain.audit import Signature
from domain.storage.sessions import Database
from domain.vocabulary import Channel, Promotion


class InvalidArgument(ValueError):
    """An argument that cannot be served: names the argument, the value's problem, and what to do.

    `path` is where it stands in the input, e.g. ("input", "0", "where", "balance").
    The caller is shown the message.
    """

    code = "BAD_USER_INPUT"

    def __init__(self, message: str, *, path: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


class Recommendations(Protocol):
    """The next best action of segments and debtors, by the champion; logs nothing."""

    async def for_segments(
        self,
        tenant_id: int,
        *,
        segments: Sequence[str] | None,
        within: Window | None,
        channels: frozenset[Channel] | None,
        as_of: datetime,
        now: datetime,
    ) -> Sequence[SegmentAdvice]:
        """Advice in the rules' order, over what is derived up to `now`; `segments` None: every one that has debtors."""
        ...

    async def for_debtors(
        self,
        tenant_id: int,
        debtor_ids: Sequence[int],
        *,
        within: Window | None,
        channels: frozenset[Channel] | None,
        as_of: datetime,
    ) -> Mapping[int, Recommendation]:
        """A recommendation for each debtor id asked (all belong to the tenant, at most 1,000)."""
        ...


class Decisions(Protocol):
    """Choices that are logged, to be carried out and learned from."""

    async def decide(
        self,
        tenant_id: int,
        debtor_ids: Sequence[int],
        *,
        within: Window | None,
        channels: frozenset[Channel] | None,
        explore: bool,
        as_of: datetime,
        by: Signature,
        clock: Callable[[], datetime] | None = None,
    ) -> Mapping[int, int] | Failure:
        """Decide for each debtor id asked (all the tenant's, at most 1,000) and log it; debtor id → decision id.

        clock: where `as_of` is now; None: nothing later is seen. Asking again decides again.
        Failure: WINDOW_IS_PAST, WINDOW_TOO_FAR.
        """
        ...


class Campaigns(Protocol):
    """Plans under limits, logged as decisions."""

    async def plan(
        self,
        tenant_id: int,
        request: CampaignRequest,
        *,
        as_of: datetime,
        by: Signature,
        clock: Callable[[], datetime] | None = None,
    ) -> int | Failure:
        """Plan a campaign, log it, and answer its id. clock: where `as_of` is now; None: nothing later is seen.

        Failure: BAD_USER_INPUT, WINDOW_IS_PAST, WINDOW_TOO_FAR, WINDOW_TOO_LONG, NO_MODEL,
        NO_EXCHANGE_RATE.
        """
        ...


class Forecasts(Protocol):
    """KPI forecasts with intervals, by the champion."""

    async def forecast(
        self,
        tenant_id: int,
        *,
        horizon_days: int,
        policy: ForecastPolicy,
        by: Sequence[ForecastDimension],
        kpis: Sequence[ForecastKpi] | None,
        as_of: datetime,
    ) -> KpiForecast | None:
        """Series for each KPI (None: all) and key; None when there is no champion yet, or nothing to forecast from.

        Raises:
            InvalidArgument: a horizon that cannot be forecast.
            ArtefactError: of what is recommended, where the model that decides cannot be opened.
        """
        ...


class Training(Protocol):
    """Training runs and what becomes of the model versions they make."""

    async def start(
        self, tenant_id: int, *, as_of: datetime | None, promote: Promotion, by: Signature
    ) -> TrainingRun | Failure:
        """Queue a run and return at once; while one is queued or running, that one is answered.

        Failure BAD_USER_INPUT: an instant to come, or before all facts.
        """
        ...

    async def cancel(self, tenant_id: int, run_id: int, *, by: Signature) -> TrainingRun | Failure:
        """Stop a queued or running run; Failure NOT_FOUND or ALREADY_FINISHED."""
        ...

    async def run(self, tenant_id: int, run_id: int) -> TrainingRun | None:
        """How a run stands now, or None if the tenant has no such run."""
        ...

    async def promote(self, tenant_id: int, model_version_id: int, *, by: Signature) -> int | Failure:
        """Make a version champion (the champion retires) and answer its id.

        Failure NOT_FOUND, CHAMPION_KNOWS_MORE, or the code of `ml.artefact.ArtefactError`: it cannot be opened.
        """
        ...

    async def roll_back(self, tenant_id: int, *, by: Signature) -> int | Failure:
        """Make the previous champion champion again and answer its id.

        Failure NO_PREVIOUS_CHAMPION, or the code of `ml.artefact.ArtefactError`: it cannot be opened.
        """
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a request needs besides who asks."""

    database: Database
    recommendations: Recommendations
    decisions: Decisions
    campaigns: Campaigns
    forecasts: Forecasts
    training: Training
