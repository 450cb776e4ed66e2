"""What a client asks of a network once: what it predicts, and how well."""

from collections.abc import Callable
from typing import Any

from numpy.typing import ArrayLike

from akkordeon_dask import data
from akkordeon_dask._numbers import check_int
from akkordeon_dask.actors import SentinelActor
from akkordeon_dask.errors import DeadlineError, SpecError
from akkordeon_dask.memory import copied
from akkordeon_dask.messages import PassReport
from akkordeon_dask.network import Sentinel
from akkordeon_dask.runtime._arguments import check_switch
from akkordeon_dask.runtime._progress import make_show, shown
from akkordeon_dask.runtime._steering import Steering
from akkordeon_dask.runtime.handles._sentinel import Attached
from akkordeon_dask.runtime.recovery._sentinels import attach
from akkordeon_dask.tree import Array

__all__ = ["Rating"]


class Rating(Steering):
    """Verbs of a running network that attach a sentinel for one pass."""

    def evaluate(self, sentinel: Sentinel, *, progress: bool | None = None) -> Any:
        """One pass of a `Sentinel.test`: attached, waited for, detached; gives its `PassReport`.

        Parameters
        ----------
        progress
            show how far it is, as `wait` does.

        Raises
        ------
        SpecError
            when it is no test sentinel.
        AkkordeonError
            what `attach` and `wait` raise.
        """
        if not (isinstance(sentinel, Sentinel) and sentinel.mode == "test"):
            raise SpecError(f"evaluate takes a Sentinel.test(...), not {sentinel!r:.80}")
        return self._shown(progress, lambda attached: attached.sentinel is sentinel, True, self._evaluate, sentinel)

    def _shown(
        self, progress: bool | None, chosen: Callable[[Attached], bool], mine: bool, function: Any, *args: Any
    ) -> Any:
        """Call it with something to look at, where that is wished for: bars of the sentinels that are `chosen`."""
        show = make_show(self._session, check_switch("progress", progress), chosen, mine=mine)
        if show is None or self.client.status == "closed":
            return self._sync(function, *args)
        return shown(self.client, lambda: self._call(function, *args), show)

    async def _evaluate(self, sentinel: Sentinel) -> PassReport:
        attached = await self._once(sentinel)
        await self._session.detach(attached)
        return attached.reports[-1]

    def predict(self, x: ArrayLike, *, batch_size: int = 1024) -> Any:
        """The network's outputs for samples `x : (samples, *shape)`, by one version of each gate, while it trains.

        It takes what `data.arrays` takes, and copies it at once: you may write into it again as soon as the call has
        returned, with an asynchronous client before the awaitable that it gave is done.

        Raises
        ------
        DataError
            when `x` holds no real numbers, or some of them are masked or missing.
        """
        size = check_int("batch_size", batch_size, 1)
        return self._sync(self._predict, copied(data.as_numbers("x", x)), size)

    async def _predict(self, x: Array, batch_size: int) -> Array:
        provider = data.arrays(x, None, shuffle=False)
        sentinel = Sentinel("predict", provider, batch_size=min(batch_size, len(x)), concurrency=4)
        attached = await self._once(sentinel)
        try:
            if lost := attached.reports[-1].lost:
                raise DeadlineError(f"{lost} of {len(x)} samples did not come back: look at the gates' workers")
            outputs = await attached.ask(SentinelActor.outputs)
        finally:
            await self._session.detach(attached)
        return outputs

    async def _once(self, sentinel: Sentinel) -> Attached:
        attached = await attach(self._session, sentinel)
        try:
            await self._session.wait_until(lambda: attached.state == "resting", None, own=attached)
        except BaseException:
            await self._session.detach(attached)
            raise
        return attached
