"""What the recommendations of a tenant's segments rest on, read in one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from domain.contact_rules import Preset
from domain.contact_rules.tenant_rules import presets_at, tenant_presets
from domain.latest import Latest
from domain.storage.derived import IS_CAUGHT_UP
from domain.storage.direct import numbered
from domain.storage.models import DECIDING, STAMPED, ModelStamp
from domain.storage.reads.segments import SegmentRow
from domain.storage.sessions import Database

Place = tuple[str, tuple[Preset, ...]]
"""A time zone and the contact rules that bind there."""

_STAMP = ", ".join(f"'{name}', {name}" for name in STAMPED)
#: Stands in no JSON text, where control characters are escaped.
_END = "\x1e"
#: One number of all sizes in whatever order they are read; a thousandth of a second less than reading them all.
_DIGEST = """
    SELECT sum(hashtextextended(segment_key, hashtextextended(time_zone, hashtextextended(country,
               hashtextextended(coalesce(region, ''), debtors)))))::text
    FROM segment_size WHERE tenant_id = :tenant_id"""
_SIZES = """
    SELECT json_agg(json_build_array(segment_key, time_zone, country, region, debtors))::text FROM (
        SELECT segment_key, time_zone, country, region, sum(debtors) AS debtors
        FROM segment_size WHERE tenant_id = :tenant_id
        GROUP BY segment_key, time_zone, country, region HAVING sum(debtors) <> 0
        ORDER BY segment_key, time_zone, country, region
    ) present"""
_GROUND = f"""
    SELECT digest || '{_END}' || CASE WHEN digest = :known THEN '' ELSE coalesce(({_SIZES}), '[]') END || '{_END}'
        || json_build_object(
        'version', (SELECT json_build_object({_STAMP}) FROM model_version
                    WHERE {DECIDING} LIMIT 1),
        'has_champion', EXISTS (SELECT FROM model_version WHERE tenant_id = :tenant_id AND status = 'CHAMPION'),
        'contact_rules', (SELECT settings -> 'contact_rules' FROM tenant WHERE id = :tenant_id),
        'rules', (SELECT json_agg(json_build_array(key, name, rule) ORDER BY position)
                  FROM segment WHERE tenant_id = :tenant_id)
        )::text
    FROM (SELECT coalesce(({_DIGEST}), '') AS digest OFFSET 0) sizes"""


_IF_CAUGHT_UP = numbered(
    f"SELECT CASE WHEN {IS_CAUGHT_UP} THEN ({_GROUND}) END", "tenant_id", "as_of", "known", "now"
)
_AS_IT_IS = numbered(_GROUND, "tenant_id", "as_of", "known")


@dataclass(frozen=True, slots=True, eq=False)
class SegmentGround:
    """The deciding model, whether there is a champion at all, the segments, and where the debtors of each live.

    The same object is answered while nothing of it changes; the same places are the same objects.
    """

    version: ModelStamp | None
    has_champion: bool
    segments: tuple[SegmentRow, ...]
    places: Mapping[str, frozenset[Place]]


async def segment_ground(
    database: Database, tenant_id: int, *, as_of: datetime, now: datetime | None
) -> SegmentGround | None:
    """What they rest on at `as_of`; None when derived columns are not caught up with `now` (None: as they are).

    Raises:
        TenantRulesError: the tenant's own contact rules cannot be read.
    """
    known = _known_sizes.recall(tenant_id)
    values = [tenant_id, as_of, None if known is None else known.digest]
    sql = _AS_IT_IS if now is None else _IF_CAUGHT_UP
    found = await database.document(
        tenant_id, sql, values if now is None else [*values, now], is_general=True
    )
    if found is None:
        return None
    digest, sizes, stated = found.split(_END)
    if known is None or digest != known.digest:
        known = _known_sizes.keep(tenant_id, _Sizes(digest, orjson.loads(sizes)))
    return _read(stated, known)


@dataclass(frozen=True, slots=True, eq=False)
class _Sizes:
    """rows: (segment, time zone, country, region, debtors) of each place with debtors of a segment."""

    digest: str
    rows: Sequence[Any]


_TENANTS = 256
#: By tenant, since others choose what theirs are called.
_known_sizes: Latest[int, _Sizes] = Latest(_TENANTS)


@lru_cache(maxsize=_TENANTS)
def _read(found: str, known: _Sizes) -> SegmentGround:
    stated: dict[str, Any] = orjson.loads(found)
    own = tenant_presets(stated["contact_rules"])
    sizes: dict[str, int] = {}
    places: dict[str, set[Place]] = {}
    same: dict[Place, Place] = {}
    for key, zone, country, region, debtors in known.rows:
        sizes[key] = sizes.get(key, 0) + int(debtors)
        place = (zone, presets_at(country, region, own))
        places.setdefault(key, set()).add(same.setdefault(place, place))
    ruled = [SegmentRow(key, name, rule, sizes.pop(key, 0)) for key, name, rule in stated["rules"] or ()]
    others = [SegmentRow(key, key, None, sizes[key]) for key in sorted(sizes)]
    return SegmentGround(
        version=ModelStamp.read(stated["version"]) if stated["version"] else None,
        has_champion=stated["has_champion"],
        segments=(*ruled, *others),
        places={key: frozenset(found) for key, found in places.items()},
    )
