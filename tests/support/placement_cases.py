"""Clusters and networks to be placed on them, by hand and by Hypothesis."""

from itertools import pairwise, product

from hypothesis import strategies as st

from akkordeon_dask import Gate, Network, beside, nn, optim
from akkordeon_dask.network import Claim, Resources
from akkordeon_dask.placement import WorkerInfo

SGD = optim.SGD(0.1)
NAMES = ("alice", "bob", "carol")


def worker(name, host="10.0.0.1", claims=(), memory_limit=0, **resources):
    """A worker at `tcp://HOST/NAME`; `claims` are amounts by name, of gates of another network."""
    taken = tuple(Claim("other", f"o{place}", Resources.from_mapping(amounts)) for place, amounts in enumerate(claims))
    has = Resources.from_mapping(resources)
    return WorkerInfo(f"tcp://{host}/{name}", name, host, has, taken, memory_limit=memory_limit)


def network(*widths, asks=(), **where):
    """A network of linear gates; `where` gives gates' workers by name, `asks` their resources in order."""
    asks = [*asks, *[{}] * len(widths)]
    return Network(
        Gate(nn.Linear(i, o), SGD, where.get(f"g{place}"), resources=asks[place])
        for place, (i, o) in enumerate(pairwise(widths))
    )


amounts = st.dictionaries(st.sampled_from(["GPU", "MEM"]), st.integers(1, 3), max_size=2)


@st.composite
def clusters(draw):
    """Up to three workers on two hosts, with some of their resources taken."""
    return [
        worker(
            name,
            draw(st.sampled_from(["10.0.0.1", "10.0.0.2"])),
            draw(st.lists(st.just({"GPU": 1}), max_size=1)),
            **draw(amounts),
        )
        for name in NAMES[: draw(st.integers(1, 3))]
    ]


@st.composite
def asking_networks(draw, workers):
    """Up to four gates that ask for workers that there are, for resources, and to be beside one another."""
    count = draw(st.integers(1, 4))
    wishes = st.none() | st.sampled_from([wish for one in workers for wish in (one.name, one.address, one.host)])
    order = draw(st.permutations(range(count)))  # beside one that comes before it in here: no circle
    where = {}
    for rank, place in enumerate(order):
        before = [beside(f"g{other}") for other in order[:rank]]
        where[f"g{place}"] = draw(wishes | st.sampled_from(before) if before else wishes)
    widths = draw(st.lists(st.integers(1, 50), min_size=count + 1, max_size=count + 1))
    return network(*widths, asks=[draw(amounts) for _ in range(count)], **where)


def allowed(network, workers, chosen):
    """Whether every gate may be on the worker chosen for it: the definition, in its own words."""
    at = dict(zip(network.names, chosen, strict=True))
    for gate, here in zip(network, chosen, strict=True):
        wish = gate.workers
        if isinstance(wish, str):
            if wish not in (here.name, here.address, here.host):
                return False
        elif wish is not None and at[wish.gate] != here:
            return False
    for one in workers:
        here = [gate.resources for gate, where in zip(network, chosen, strict=True) if where == one]
        taken = [claim.resources for claim in one.claims]
        for name in {name for asked in here for name in asked}:
            if sum(all_.get(name, 0) for all_ in (*here, *taken)) > one.resources.get(name, 0):
                return False
    return True


def placements(network, workers):
    """Every placement that is allowed."""
    return [chosen for chosen in product(workers, repeat=len(network)) if allowed(network, workers, chosen)]
