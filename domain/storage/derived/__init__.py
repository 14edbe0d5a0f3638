"""Everything that is a function of the facts, written in one place: see `derive`."""

from domain.storage.derived.derivation import (
    SegmentsHeld,
    catch_up,
    define_segments,
    derive,
    derive_everything,
    rules_look_at,
)
from domain.storage.derived.drafts import apply_draft, draft_since, propose_segments
from domain.storage.derived.looking import IS_CAUGHT_UP, is_caught_up
from domain.storage.derived.segment_sets import own_segments
from domain.storage.derived.settings import collection_settings

__all__ = [
    "IS_CAUGHT_UP",
    "SegmentsHeld",
    "apply_draft",
    "catch_up",
    "collection_settings",
    "define_segments",
    "derive",
    "derive_everything",
    "draft_since",
    "is_caught_up",
    "own_segments",
    "propose_segments",
    "rules_look_at",
]
