"""Everything that is a function of the facts, written in one place: see `derive`."""

from domain.storage.derived.derivation import (
    catch_up,
    define_segments,
    derive,
    derive_everything,
    ensure_default_segments,
    rules_look_at,
)
from domain.storage.derived.settings import collection_settings

__all__ = [
    "catch_up",
    "collection_settings",
    "define_segments",
    "derive",
    "derive_everything",
    "ensure_default_segments",
    "rules_look_at",
]
