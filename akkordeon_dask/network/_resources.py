"""Resources that a worker has and a gate reserves: GPUs, memory, licences."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from akkordeon_dask._numbers import check_number
from akkordeon_dask.errors import SpecError

__all__ = ["Claim", "Resources", "describe_stock"]

_ROUNDING = 1e-9
_EXACT = 2**53


@dataclass(frozen=True, eq=False, repr=False)
class Resources(Mapping[str, float]):
    """A frozen dict of amounts by name, as Dask's workers have (`dask worker --resources "GPU=2"`).

    Parameters
    ----------
    pairs
        name and amount, in the order of the names.
    """

    pairs: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(cls, written: Any, who: str) -> "Resources":
        """Resources written as `{"GPU": 1}`; `who` is their owner in errors, `"a gate"`.

        Raises
        ------
        SpecError
            when it is no dict, a name is no word, or an amount is not above zero and finite.
        """
        if not isinstance(written, Mapping):
            raise SpecError(f"{who}'s resources are names with amounts, e.g. {{'GPU': 1}}, not {written!r}")
        for name, amount in written.items():
            if not (isinstance(name, str) and name):
                raise SpecError(f"{who}'s resources have words as names, e.g. {{'GPU': 1}}, not {name!r}")
            check_number(f"{who}'s amount of {name!r}", amount, above=0)
        return cls.from_mapping(written)

    @classmethod
    def from_mapping(cls, amounts: Mapping[str, float]) -> "Resources":
        """Resources as a worker reports them; not checked."""
        return cls(tuple(sorted((name, _plain(float(amount))) for name, amount in amounts.items())))

    @classmethod
    def total(cls, all_: Iterable["Resources"]) -> "Resources":
        """The sum, name by name."""
        together = list(all_)
        names = {name for one in together for name in one}
        return cls.from_mapping({name: math.fsum(one.get(name, 0.0) for one in together) for name in names})

    def __getitem__(self, name: str) -> float:
        return dict(self.pairs)[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self.pairs)

    def __len__(self) -> int:
        return len(self.pairs)

    def __hash__(self) -> int:
        return hash(self.pairs)

    def __repr__(self) -> str:
        return repr(dict(self.pairs))

    def __str__(self) -> str:
        return ", ".join(f"{name} {amount:g}" for name, amount in self.pairs)

    def can_hold(self, claims: "Iterable[Claim]", asks: "Resources") -> bool:
        """Whether this is enough for the claims and the request together; 0.1 three times is 0.3."""
        wanted = Resources.total([asks, *(claim.resources for claim in claims)])
        return all(wanted[name] <= self.get(name, 0.0) * (1 + _ROUNDING) for name in asks)


@dataclass(frozen=True, slots=True)
class Claim:
    """Resources of a worker that a gate has reserved.

    Examples
    --------
    >>> Claim("digits", "g0", Resources.from_mapping({"GPU": 1})).who
    "gate 'g0' of network 'digits'"
    """

    network: str | None
    """None: the one that is being placed."""
    gate: str
    resources: Resources

    @property
    def who(self) -> str:
        """For errors: the gate and its network."""
        return f"gate {self.gate!r} of {'this network' if self.network is None else f'network {self.network!r}'}"


def describe_stock(had: Resources, claims: Iterable[Claim], names: Iterable[str]) -> str:
    """For errors: a worker's resources of these names, and the gates that have reserved some of them.

    Examples
    --------
    >>> one, two = (Resources.from_mapping({"GPU": amount}) for amount in (1, 2))
    >>> describe_stock(two, [Claim("digits", "g0", one)], ["GPU"])
    "GPU 2, of which gate 'g0' of network 'digits' has 1"
    """
    parts = []
    for name in names:
        takers = [f"{claim.who} has {claim.resources[name]:g}" for claim in claims if name in claim.resources]
        taken = f", of which {', '.join(takers)}" if takers else ""
        parts.append(f"{name} {had[name]:g}{taken}" if name in had else f"no {name}")
    return " and ".join(parts)


def _plain(amount: float) -> float:
    """Equal amounts print alike: 2.0 as 2."""
    return int(amount) if amount.is_integer() and abs(amount) < _EXACT else amount
