"""The card of a stored model version."""

from domain.storage.models import ModelVersion
from ml.card import model_card


def card_of(version: ModelVersion) -> str:
    """Markdown: what it learned from, its figures with intervals, its gate, its use and its limits."""
    return model_card(
        version.manifest,
        version.gate,
        version=version.version,
        status=version.status.value,
        trained_at=version.trained_at.isoformat(),
        as_of=version.data_to.isoformat(),
    )
