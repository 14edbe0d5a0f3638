"""Why another channel is not recommended although more is told of it, in words. Source: docs/decisions.md, "Reasons".

Money is told per contact, so of those whom a channel reaches, and per currency. An action is chosen for everybody it is
for, and another channel is preferred only where it is surely worth more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Told:
    """A channel as it is told of. name: a contact on it, with its article; net: currency → amount per contact of those
    it reaches; mean: net per debtor, reached or not, tenant's currency; reach: share of the debtors, above 0."""

    name: str
    net: Mapping[str, Decimal]
    mean: float
    reach: float

    @property
    def per_contact(self) -> float:
        """Net per contact of those it reaches, tenant's currency."""
        return self.mean / self.reach

    def more_than(self, other: "Told") -> list[str]:
        """The currencies in which more is told of it."""
        return sorted(name for name, net in self.net.items() if name in other.net and net > other.net[name])


def why_passed_over(best: Told, others: Sequence[Told]) -> tuple[str, ...]:
    """A sentence for each cause why a channel of `others` is not the one recommended although more is told of it; none
    where the best is told to bring most."""
    more = [other for other in others if other.more_than(best)]
    unsure = [other.name for other in more if other.mean > best.mean]
    said = [f"{_capital(_more(unsure))}, but not by enough to be sure of it."] if unsure else []
    by_currency: dict[str, list[str]] = {}
    for other in more:
        if other.mean > best.mean:
            continue
        if other.reach < best.reach and other.per_contact > best.per_contact:
            said.append(
                f"{_capital(_more([other.name]))} from those it reaches, but it reaches {_percent(other.reach)} of the "
                f"debtors here, and {best.name} {_percent(best.reach)}."
            )
        else:
            by_currency.setdefault(_listed(other.more_than(best)), []).append(other.name)
    for currencies, names in by_currency.items():
        said.append(f"In {currencies} {_more(names)}, but not over the debtors of all currencies together.")
    return tuple(said)


def _more(names: Sequence[str]) -> str:
    return f"{_listed(names)} {'is' if len(names) == 1 else 'are'} expected to bring more"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
