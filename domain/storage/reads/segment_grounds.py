"""What the recommendations of a tenant's segments rest on, read in one statement."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from domain.contact_rules import Preset
from domain.contact_rules.tenant_rules import presets_at, tenant_presets
from domain.storage.derived import IS_CAUGHT_UP
from domain.storage.direct import numbered
from domain.storage.models import DECIDING, STAMPED, ModelStamp
from domain.storage.reads.segments import SegmentRow
from domain.storage.sessions import Database

Place = tuple[str, tuple[Preset, ...]]
"""A time zone and the contact rules that bind there."""

_STAMP = ", ".join(f"'{name}', {name}" for name in STAMPED)
_GROUND = f"""
    json_build_object(
        'version', (SELECT json_build_object({_STAMP}) FROM model_version
                    WHERE {DECIDING} LIMIT 1),
        'has_champion', EXISTS (SELECT FROM model_version WHERE tenant_id = :tenant_id AND status = 'CHAMPION'),
        'contact_rules', (SELECT settings -> 'contact_rules' FROM tenant WHERE id = :tenant_id),
        'rules', (SELECT json_agg(json_build_array(key, name, rule) ORDER BY position)
                  FROM segment WHERE tenant_id = :tenant_id),
        'sizes', (SELECT json_agg(json_build_array(segment_key, time_zone, country, region, debtors)) FROM (
                      SELECT segment_key, time_zone, country, region, sum(debtors) AS debtors
                      FROM segment_size WHERE tenant_id = :tenant_id
                      GROUP BY segment_key, time_zone, country, region HAVING sum(debtors) <> 0
                      ORDER BY segment_key, time_zone, country, region
                  ) present)
    )::text"""


_IF_CAUGHT_UP = numbered(f"SELECT CASE WHEN {IS_CAUGHT_UP} THEN {_GROUND} END", "tenant_id", "as_of", "now")
_AS_IT_IS = numbered(f"SELECT {_GROUND}", "tenant_id", "as_of")


@dataclass(frozen=True, slots=True, eq=False)
class SegmentGround:
    """The deciding model, whether there is a champion at all, the segments, and where the debtors of each live.

    The same object is answered while nothing of it changes.
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
    values = [tenant_id, as_of]
    sql = _AS_IT_IS if now is None else _IF_CAUGHT_UP
    found = await database.document(
        tenant_id, sql, values if now is None else [*values, now], is_general=True
    )
    return None if found is None else _read(found)


@lru_cache(maxsize=256)
def _read(found: str) -> SegmentGround:
    stated: dict[str, Any] = orjson.loads(found)
    own = tenant_presets(stated["contact_rules"])
    sizes: dict[str, int] = {}
    places: dict[str, set[Place]] = {}
    for key, zone, country, region, debtors in stated["sizes"] or ():
        sizes[key] = sizes.get(key, 0) + int(debtors)
        places.setdefault(key, set()).add((zone, presets_at(country, region, own)))
    ruled = [SegmentRow(key, name, rule, sizes.pop(key, 0)) for key, name, rule in stated["rules"] or ()]
    others = [SegmentRow(key, key, None, sizes[key]) for key in sorted(sizes)]
    return SegmentGround(
        version=ModelStamp.read(stated["version"]) if stated["version"] else None,
        has_champion=stated["has_champion"],
        segments=(*ruled, *others),
        places={key: frozenset(found) for key, found in places.items()},
    )
