"""How messages do by what their templates are like."""

import strawberry

from api.graphql.types.message_outcome import MessageOutcome

_field = strawberry.field


@strawberry.type(
    description="What templates have in common, as stored in `templates` now. What was not asked for is null, and what "
    "their template says nothing of."
)
class TemplateKpiKey:
    """What templates have in common."""

    tone: str | None = _field(description="Tone, such as FRIENDLY.")
    incentive: str | None = _field(description="What is offered, such as DISCOUNT.")
    subject: str | None = _field(description="Subject line.")


@strawberry.type(
    description="What became of the outbound communications sent in the period whose templates are alike. Rates are "
    "0–1, null when their denominator is 0."
)
class TemplateKpiRow(MessageOutcome):
    """What became of the communications of like templates."""

    key: TemplateKpiKey = _field(description="What the templates have in common.")
    templates: int = _field(description="How many different templates were sent.")
