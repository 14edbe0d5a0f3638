"""The audit log: who did what, when, and how it ended."""

from datetime import datetime

import strawberry

from api.graphql.scalars import JSON
from api.graphql.types.inputs import DateTimeFilter, StringFilter, optional
from api.graphql.types.nodes import node_id
from domain.audit import AuditOutcome
from domain.storage.reads.audit import AuditRow
from domain.vocabulary import Role

_field = strawberry.field


@strawberry.type(
    description="Something that was done, or refused. It names rows, and holds nothing personal."
)
class AuditEntry:
    """Something that was done, or refused."""

    at: datetime = _field(description="When it was done.")
    action: str = _field(
        description="What: the mutation's name, by whatever way it was done; what only a command does is named "
        "likewise: createTenant, setContactRules, setHoldOutShare, setPromiseGraceDays, setClickWindowDays, "
        "setOpenWindowDays, createKey, revokeKey, addDocuments, removeDocument, import."
    )
    role: Role | None = _field(description="The role it was done with; null: a command, which needs none.")
    key: str | None = _field(
        description="The API key's number, as `dunwell key list` shows it; null: another way in."
    )
    subject: str | None = _field(description="The subject of the bearer token; null: another way in.")
    outcome: AuditOutcome = _field(description="How it ended.")
    code: str | None = _field(description="Why it was refused or failed, as its caller was told; null: done.")
    ids: list[strawberry.ID] = _field(
        description="Global ids of what was made or changed, at most 1,000; of events, those of their debtors; an "
        "import's are left out. Those of API keys can't be asked for."
    )
    counts: JSON = _field(
        description="Rows by what became of them: accepted, duplicates, rejected; of an import, those taken by table."
    )

    @classmethod
    def of(cls, row: AuditRow) -> "AuditEntry":
        """The entry of a row."""
        nodes = [node.split(":") for node in row.nodes]
        return cls(
            at=row.at,
            action=row.action,
            role=row.role,
            key=None if row.key_id is None else str(row.key_id),
            subject=row.subject,
            outcome=row.outcome,
            code=row.code,
            ids=[node_id(kind, int(number)) for kind, number in nodes],
            counts=JSON(row.counts),
        )


@strawberry.input(description="Which entries of the audit log; all that is stated must hold.")
class AuditWhere:
    """Which entries."""

    at: DateTimeFilter | None = optional("When it was done.")
    action: StringFilter | None = optional("What: the mutation's name.")
    key: str | None = optional("The API key's number, as `dunwell key list` shows it.")
    subject: StringFilter | None = optional("The subject of the bearer token.")
    role: list[Role] | None = optional("Any of these roles; an empty list matches nothing.")
    outcome: list[AuditOutcome] | None = optional("Any of these; an empty list matches nothing.")
