"""The passes of a network, in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

from akkordeon_dask.messages import PassReport

__all__ = ["PassLog"]

_EACH, _ALL = 1000, 2000
"""Passes of one sentinel, and of all."""


class PassLog(Sequence[PassReport]):
    """Passes, oldest first: of each sentinel the newest ones, and of the older ones every n-th, back to its first.

    When a sentinel has more than `each`, its older half is thinned; when all have more than `total`, that of the one
    with the most: a sentinel with few passes keeps them, however fast the others are. With very many sentinels, each
    of few passes, the oldest eighth goes.

    Parameters
    ----------
    each, total
        passes that are kept, of one sentinel and of all.
    """

    def __init__(self, each: int = _EACH, total: int = _ALL) -> None:
        self._each, self._total = each, total
        self._kept: list[_Kept] = []
        self._sentinels: dict[tuple[str, str], _Sentinel] = {}
        self.seen = 0
        """Passes that were ever appended. The newest are kept in any case."""
        self.thinned = 0
        """The number of times that some were dropped."""

    def append(self, one: PassReport) -> None:
        """Add the newest."""
        its = self._sentinels.setdefault((one.sentinel, one.mode), _Sentinel())
        if one.confusion is not None:
            self._drop_images(its)
        self._kept.append(_Kept(one, its, its.seen))
        its.seen += 1
        its.kept += 1
        self.seen += 1
        if its.kept > self._each:
            self._drop(_older(its, self._kept))
        elif len(self._kept) > self._total:
            most = max(self._sentinels.values(), key=lambda its: its.kept)
            self._drop(_older(most, self._kept) or set(self._kept[: 1 + self._total // 8]))

    def _drop_images(self, its: "_Sentinel") -> None:
        """Of a sentinel the newest pass alone keeps the images of wrong predictions."""
        at = next((at for at in range(len(self._kept) - 1, -1, -1) if self._kept[at].its is its), None)
        if at is not None:
            self._kept[at] = replace(self._kept[at], one=self._kept[at].one.without_images())

    def roll_back(self, sentinel: str, finished: int) -> list[PassReport]:
        """Mark the training passes of a sentinel after its first `finished` ones; returns them as they are then."""
        marked = []
        for at, kept in enumerate(self._kept):
            one = kept.one
            if (one.sentinel, one.mode) == (sentinel, "train") and one.epoch > finished and not one.rolled_back:
                marked.append(replace(one, rolled_back=True))
                self._kept[at] = replace(kept, one=marked[-1])
        return marked

    def _drop(self, gone: "set[_Kept]") -> None:
        for one in gone:
            one.its.kept -= 1
        self._kept = [one for one in self._kept if one not in gone]
        self._sentinels = {name: its for name, its in self._sentinels.items() if its.kept}
        self.thinned += 1

    def __len__(self) -> int:
        return len(self._kept)

    def __eq__(self, other: object) -> bool:
        """It has the passes of another log or a list, in that order."""
        return list(self) == list(other) if isinstance(other, list | PassLog) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    @overload
    def __getitem__(self, index: int) -> PassReport: ...
    @overload
    def __getitem__(self, index: slice) -> list[PassReport]: ...
    def __getitem__(self, index: int | slice) -> PassReport | list[PassReport]:
        return [kept.one for kept in self._kept[index]] if isinstance(index, slice) else self._kept[index].one


@dataclass(slots=True, eq=False)
class _Sentinel:
    """A sentinel in one of its modes."""

    seen: int = 0
    kept: int = 0
    stride: int = 1
    """Of its older passes every so many-th is kept."""


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    one: PassReport
    its: _Sentinel
    number: int
    """Passes of its sentinel before it."""


def _older(its: _Sentinel, kept: list[_Kept]) -> set[_Kept]:
    """Passes of its older half to drop, so that half of them stay at most; none where it has less than four."""
    if its.kept < 4:
        return set()
    older = [one for one in kept if one.its is its][: its.kept // 2]
    while sum(one.number % its.stride == 0 for one in older) > its.kept // 4:
        its.stride *= 2
    return {one for one in older if one.number % its.stride}
