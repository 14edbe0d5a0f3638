"""Decisions to be logged, in all but what a test is about."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from domain.storage.decisions import NewDecision
from domain.vocabulary import Arm


def decided(
    debtor_id: int, at: datetime, action: Mapping[str, Any] | None, *, arm: Arm = Arm.PLANNED
) -> NewDecision:
    """One by the rules of Colombia and no model, which could be nothing else. action: None to leave alone."""
    return NewDecision(
        debtor_id=debtor_id,
        decided_at=at,
        action=action,
        propensity=1.0,
        explored=False,
        arm=arm,
        eligible=(),
        blocked_by=(),
        reasons=(),
        seed=1,
        policy="RECOMMENDED@1",
        rules_version="CO@2026-1",
        model_version_id=None,
    )
