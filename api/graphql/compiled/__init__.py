"""Reads of stored facts answered by one statement instead of field by field: see docs/compiled-reads.md."""

from api.graphql.compiled.plans import CompiledReads

__all__ = ["CompiledReads"]
