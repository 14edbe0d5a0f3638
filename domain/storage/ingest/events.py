"""Events: an immutable log, each told once to the funnel of its communication."""

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.import_format import FORMAT
from domain.rejections import RejectCode
from domain.storage.ingest.scope import OF_TENANT
from domain.storage.ingest.staging import CANDIDATE
from domain.storage.ingest.upserts import Interleaved, given, merged_attributes, problem, reject_problems
from domain.storage.rollups.changes import touching_days
from domain.vocabulary import EventKind

#: Funnel column → the kinds that prove it. Of the first four a person's only; `machine_opened_at` is beside them.
_FUNNEL: dict[str, tuple[EventKind, ...]] = {
    "opened_at": (EventKind.OPENED, EventKind.CLICKED, EventKind.LANDED),
    "clicked_at": (EventKind.CLICKED, EventKind.LANDED),
    "landed_at": (EventKind.LANDED,),
    "replied_at": (EventKind.REPLIED,),
    "delivered_at": (EventKind.DELIVERED,),
    "bounced_hard_at": (EventKind.BOUNCED_HARD,),
    "bounced_soft_at": (EventKind.BOUNCED_SOFT,),
    "right_party_contacted_at": (EventKind.RIGHT_PARTY_CONTACTED,),
    "unsubscribed_at": (EventKind.UNSUBSCRIBED,),
    "complained_at": (EventKind.COMPLAINED,),
}
_BY_A_PERSON = frozenset({"opened_at", "clicked_at", "landed_at", "replied_at"})

_COLUMNS = (
    "reference, debtor_id, communication_id, kind, occurred_at, source, source_stated, "
    "automated, detail, attributes"
)


async def record_events(connection: AsyncConnection, tenant_id: int, *, many: bool) -> int:
    """Add the staged events that are not in the log, merge them into the funnel; answer how many were new.

    Leaves `resolved_events`: the events as they would stand, with problem, and is_fresh: it was added. The others are
    looked at one by one: each is known, or refused. many: tables are read to join them, as `stage` has planned.

    Raises:
        Interleaved: another writer has just inserted one of the same events, or a debtor that they name.
    """
    tenant = {"tenant_id": tenant_id}
    found = (await connection.execute(text(_CANDIDATES), tenant)).one()
    named = {"first_named": found.first_named, "last_named": found.last_named} if many else {}
    await connection.execute(text(_RESOLVE[found.any_near, many]), {**tenant, **named})
    try:
        fresh: int = (await connection.execute(text(_INSERT[found.any_near]), tenant)).rowcount
    except IntegrityError as error:
        raise Interleaved from error
    if fresh < found.candidates:
        if await connection.scalar(text(_STORED_MEANWHILE), tenant):
            raise Interleaved
        await reject_problems(connection, "events")
        await connection.execute(text(_REJECT_CONFLICTS), tenant)
    if fresh:
        ids = dict((await connection.execute(text(_ID_RANGE))).mappings().one()) if many else {}
        await connection.execute(text(_MERGE_INTO_FUNNEL[many]), {**tenant, **ids})
    return fresh


def _resolve(*, any_near: bool, many: bool) -> str:
    unknown = RejectCode.UNKNOWN_REFERENCE
    checks = [
        ("s.debtor IS NOT NULL AND d.id IS NULL", "debtor", unknown),
        ("s.communication IS NOT NULL AND c.id IS NULL", "communication", unknown),
        ("c.debtor_id <> d.id", "communication", RejectCode.DEBTOR_MISMATCH),
    ]
    return f"""
        CREATE TEMP TABLE resolved_events ON COMMIT DROP AS
        SELECT {"false" if any_near else "problem IS NULL"} AS is_fresh, * FROM (
            SELECT COALESCE(s.automated, false) AS automated, s.line, d.id AS debtor_id, c.id AS communication_id,
                s.occurred_at, s.kind, {problem(checks)} AS problem, s.given, s.reference,
                COALESCE(s.source, c.channel, 'DIRECT') AS source, s.source IS NOT NULL AS source_stated, s.detail,
                COALESCE(s.attributes, '{{}}') AS attributes, s.cleared
            FROM staged_events s
            LEFT JOIN locked_debtor d ON d.reference = s.debtor
            LEFT JOIN communication c ON c.{OF_TENANT} AND c.reference = s.communication {_NAMED if many else ""}
            WHERE s.fate = {CANDIDATE}
        ) resolved
    """


def _reject_conflicts() -> str:
    """A known reference with another value in a column that came: of what is given, all must be as stored."""
    table = FORMAT["events"]
    differs = [
        f"({given(table, column)} AND s.{stored} IS DISTINCT FROM t.{stored})"
        for column, stored in (
            ("debtor", "debtor_id"),
            ("communication", "communication_id"),
            ("kind", "kind"),
            ("occurred_at", "occurred_at"),
            ("source", "source"),
            ("automated", "automated"),
            ("detail", "detail"),
        )
    ]
    return f"""
        INSERT INTO rejected SELECT 'events', s.line, 'reference', '{RejectCode.CONFLICT.value}'
        FROM resolved_events s JOIN event t ON t.{OF_TENANT} AND t.reference = s.reference
        WHERE s.problem IS NULL AND NOT s.is_fresh
        AND ({" OR ".join(differs)} OR {merged_attributes()} IS DISTINCT FROM t.attributes)
    """


def _merge_into_funnel(*, many: bool) -> str:
    """The earliest instant of each stage, whatever order events come in; touches the days of messages it changes."""
    firsts, sets, earlier = [], [], []
    for column, kinds in _FUNNEL.items():
        human = " AND NOT automated" if column in _BY_A_PERSON else ""
        words = ", ".join(f"'{kind.value}'" for kind in kinds)
        firsts.append(f"min(occurred_at) FILTER (WHERE kind IN ({words}){human}) AS {column}")
    firsts.append("min(occurred_at) FILTER (WHERE kind = 'OPENED' AND automated) AS machine_opened_at")
    for column in (*_FUNNEL, "machine_opened_at"):
        sets.append(f"{column} = LEAST(c.{column}, f.{column})")
        earlier.append(f"f.{column} < COALESCE(c.{column}, 'infinity')")
    return f"""
        WITH moved AS (
            UPDATE communication c SET {", ".join(sets)}
            FROM (SELECT communication_id, {", ".join(firsts)} FROM resolved_events
                  WHERE is_fresh AND communication_id IS NOT NULL GROUP BY communication_id) f
            WHERE c.{OF_TENANT} AND c.id = f.communication_id {_IN_ID_RANGE if many else ""}
              AND ({" OR ".join(earlier)})
            RETURNING c.sent_at, c.direction
        )
        {touching_days("FROM moved c WHERE c.direction = 'OUTBOUND'")}
    """


#: How many events may be new; whether any that is stored lies between them in the order of references; the range of the
#: communications that they name.
_CANDIDATES = f"""
    SELECT candidates, first_named, last_named, EXISTS (
        SELECT FROM event WHERE {OF_TENANT} AND reference >= least_one AND reference <= greatest_one
    ) AS any_near
    FROM (
        SELECT count(*) AS candidates, min(reference) AS least_one, max(reference) AS greatest_one,
            min(communication) AS first_named, max(communication) AS last_named
        FROM staged_events WHERE fate = {CANDIDATE}
    ) s
"""
_ID_RANGE = """
    SELECT min(communication_id) AS first_id, max(communication_id) AS last_id FROM resolved_events WHERE is_fresh
"""
# Where communications are read to join them, those outside of what the events name need not be: most exports are in the
# order of time. Where they are looked up, a range would be no help, and the planner take it for a few rows.
_NAMED = "AND c.reference BETWEEN CAST(:first_named AS text) AND CAST(:last_named AS text)"
_IN_ID_RANGE = "AND c.id BETWEEN CAST(:first_id AS bigint) AND CAST(:last_id AS bigint)"

#: (whether any stored event is near, whether there are many) → the resolution.
_RESOLVE = {
    (any_near, many): _resolve(any_near=any_near, many=many)
    for any_near in (True, False)
    for many in (True, False)
}
_INSERT_GOOD = f"""
    INSERT INTO event (tenant_id, {_COLUMNS}) SELECT :tenant_id, {_COLUMNS} FROM resolved_events
    WHERE problem IS NULL ORDER BY reference
"""
#: Whether any stored event is near → the insertion. Where none is near, all good ones are new, and none needs to be
#: looked for row by row, which would cost a third more.
_INSERT = {
    True: f"""
        WITH fresh AS ({_INSERT_GOOD} ON CONFLICT DO NOTHING RETURNING reference)
        UPDATE resolved_events r SET is_fresh = true FROM fresh
        WHERE r.reference = fresh.reference AND r.problem IS NULL
    """,
    False: _INSERT_GOOD,
}
#: Whether an event names a debtor who is stored, but was not yet when those of this merge were locked.
_STORED_MEANWHILE = f"""
    SELECT EXISTS (
        SELECT FROM resolved_events r JOIN staged_events s ON s.line = r.line
        JOIN debtor d ON d.{OF_TENANT} AND d.reference = s.debtor
        WHERE r.debtor_id IS NULL
    )
"""
_REJECT_CONFLICTS = _reject_conflicts()
_MERGE_INTO_FUNNEL = {many: _merge_into_funnel(many=many) for many in (True, False)}
