"""What a tenant may set about how decisions are made."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from domain.collection_settings import SettingError


@dataclass(frozen=True)
class DecisionSettings:
    """hold_out_share: the share of debtors who are never contacted by a decision, to measure what contacts bring."""

    hold_out_share: float = 0.0

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> Self:
        """Read a tenant's stored settings; absent or null: nobody is held out.

        Raises:
            SettingError: `hold_out_share` is no share, 0 to below 1.
        """
        share = settings.get("hold_out_share") or 0.0
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
            raise SettingError(f"hold_out_share is {share!r}; give a share from 0 to below 1.")
        return cls(float(share))


def is_held_out(tenant_id: int, debtor_id: int, share: float) -> bool:
    """Whether a debtor is among the share of a tenant's debtors held out: the same whenever asked.

    A group held out at a larger share includes the group at a smaller one.
    """
    digest = hashlib.sha256(f"hold-out {tenant_id} {debtor_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
