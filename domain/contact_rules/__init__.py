"""When and how a debtor may be contacted: hours on the debtor's own clock, holidays, how often, addresses, consent,
and the debtor's own requests.

`presets` holds the rules as data, `tenant_rules` what a tenant adds to them. Several presets may bind a debtor at once;
a contact must pass all of them, so adding one can only tighten. Legal counsel confirms a preset before it is used.

`blocks` is the law of this package: a contact at an instant is lawful exactly when it returns nothing. `lawful_hours`
and `next_lawful_instant` say where such instants are.
"""

from domain.contact_rules.blocks import blocks
from domain.contact_rules.facts import Address, Block, ContactRequest, PastContact, Reachability
from domain.contact_rules.presets import DEFAULT, PRESETS, AtMost, Preset, preset_for, rules_version
from domain.contact_rules.slots import HOURS_PER_WEEK, lawful_hours, next_lawful_instant, open_hours

__all__ = [
    "DEFAULT",
    "HOURS_PER_WEEK",
    "PRESETS",
    "Address",
    "AtMost",
    "Block",
    "ContactRequest",
    "PastContact",
    "Preset",
    "Reachability",
    "blocks",
    "lawful_hours",
    "next_lawful_instant",
    "open_hours",
    "preset_for",
    "rules_version",
]
