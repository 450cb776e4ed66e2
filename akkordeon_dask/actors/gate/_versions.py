"""The present version of a gate's parameters, and how gradients and callers make the next one of it."""

import dataclasses

import numpy as np

from akkordeon_dask.actors.gate._accumulation import Accumulation, Gradient
from akkordeon_dask.actors.gate._state import GateCounts, Version, aligned_version
from akkordeon_dask.network import Gate
from akkordeon_dask.nn import Chain, Key
from akkordeon_dask.optim import State
from akkordeon_dask.tree import Tree, map_leaves

__all__ = ["Versions"]


class Versions:
    """The present version of a gate, which each update replaces with another one.

    Any thread may read `present`: it is replaced, and never changed. Turns of the gate replace it, and before the gate
    opens whoever continues with a snapshot or another incarnation's version. Numbers of versions grow, also where the
    gate goes back to former parameters.

    Parameters
    ----------
    chain
        of the gate.
    counts
        the gate's, where its updates and the delays of its gradients are counted.
    key
        of the random first parameters; None: there are none, until another version is taken over.
    synchronous
        the gate updates with what it has accumulated when `end_step` is called; else after `gate.accumulate` batches.
    """

    def __init__(self, gate: Gate, chain: Chain, counts: GateCounts, *, key: Key | None, synchronous: bool) -> None:
        self._gate, self._chain, self._counts, self._synchronous = gate, chain, counts, synchronous
        self._ahead: tuple[Version, Version] | None = None
        """A version, and the same with the parameters of forward passes, where the optimizer predicts others."""
        self.present = Version(0, (), State(0, ()))
        if key is not None:
            params = gate.init(key)
            self.present = Version(0, params, gate.optimizer.init(params))

    # The present version

    @property
    def ahead(self) -> Version:
        """The present version as forward passes of training see it; made once a version."""
        version = self.present
        before = None if self._ahead is None else self._ahead[0]
        if before is None or before.params is not version.params or before.state is not version.state:
            params = self._gate.optimizer.predicted_params(version.params, version.state)
            self._ahead = None if params is version.params else (version, version._replace(params=params))
        return version if self._ahead is None else self._ahead[1]

    @property
    def rated(self) -> Version:
        """The present version as passes that rate it, or predict, see it."""
        version = self.present
        return version._replace(params=self.rated_params(version))

    def rated_params(self, version: Version) -> Tree:
        """The parameters that validation, tests and predictions use: an average, where the optimizer makes one."""
        return self._gate.optimizer.rated_params(version.params, version.state)

    @property
    def accumulated(self) -> int:
        """Batches whose gradients wait for an update."""
        sums = self.present.accumulation
        return 0 if sums is None else sums.batches

    @property
    def trained(self) -> tuple[int, int]:
        """Updates and samples of the present version."""
        return self.present.updates, self.present.samples

    @property
    def held(self) -> set[int]:
        """The updates in the present version, and in the oldest parameters that an accumulated gradient is of."""
        version, sums = self.present, self.present.accumulation
        return {version.updates} if sums is None else {version.updates, sums.updates}

    # Updates

    def update(self, grads: Tree, stale: Version, samples: int, weight: float) -> bool:
        """Update with the gradient of a batch, or with those of as many batches as the gate accumulates.

        Returns whether the batch is part of the present version now: it is not where the gate drops stale gradients.

        Parameters
        ----------
        stale
            the version of the batch's forward pass.
        weight
            of the batch's samples, all together, in the loss.
        """
        now, counts = self.present, self._counts
        delay = now.updates - stale.updates
        counts.delays[delay] = counts.delays.get(delay, 0) + 1
        limit = self._gate.max_delay
        if limit is not None and delay > limit:
            if self._gate.on_stale != "damp" or limit == 0:
                counts.drop("stale gradient")
                return False
            damping = limit / delay
            grads = map_leaves(lambda g: np.asarray(g * g.dtype.type(damping)), grads, statistics=False)
        one = Gradient(grads, weight, stale.params, stale.updates)
        self.present = self._with_gradient(one, now.number + 1, now.samples + samples)
        counts.batches += 1
        counts.updates += self.present.updates - now.updates
        return True

    def _with_gradient(self, one: Gradient, number: int, samples: int) -> Version:
        now = self.present
        if not self._synchronous and self._gate.accumulate == 1 and now.accumulation is None:
            version = self._updated(one, number, samples)
        else:
            sums = Accumulation.of(now.accumulation, one)
            if not self._synchronous and sums.batches >= self._gate.accumulate:
                version = self._updated(sums.mean(), number, samples)
            else:
                version = Version(number, now.params, now.state, samples, now.updates, sums)
        if self._chain.observes:
            version = version._replace(params=self._chain.advance(version.params, one.grads))
        return version

    def _updated(self, mean: Gradient, number: int, samples: int) -> Version:
        """The present version with one more update, which leaves nothing accumulated."""
        now, rule = self.present, self._gate.optimizer
        delay = now.updates - mean.updates
        params, state = rule.update_late(mean.grads, now.state, now.params, stale_params=mean.stale, delay=delay)
        return Version(number, params, state, samples, now.updates + 1)

    def end_step(self) -> bool:
        """Update with what is accumulated; returns whether anything was.

        Where the update fails, what was accumulated is dropped.
        """
        sums = self.present.accumulation
        if sums is None:
            return False
        now = self.present = self.present._replace(accumulation=None)
        self.present = self._updated(sums.mean(), now.number, now.samples)
        self._counts.updates += 1
        return True

    # Other parameters

    def prepare(self, params: Tree) -> tuple[Tree, State]:
        """Other parameters and a new optimizer state, for `replace`. Any thread."""
        return params, self._gate.optimizer.init(params)

    def replace(self, params: Tree, state: State) -> None:
        """Continue with other parameters of the same form, and a new optimizer state; what was accumulated is dropped.

        That is no update: it makes no gradient later.
        """
        now = self.present
        self.present = aligned_version(Version(now.number + 1, params, state, now.samples, now.updates))

    def slow(self, factor: float, least: float = 0.0) -> None:
        """Go on with all learning rates times `factor`, but not below their `least` share."""
        self.present = self.present._replace(state=self.present.state.slowed(factor, least))

    def rewind(self, version: Version, factor: float) -> None:
        """Go back to a former version, with learning rates times `factor`."""
        now = self.present
        # As slow as all rewinds have made it, whatever the rate was when the snapshot was written.
        state = dataclasses.replace(version.state, rate=now.state.rate).slowed(factor)
        self.present = Version(now.number + 1, version.params, state, version.samples, now.updates + 1)
