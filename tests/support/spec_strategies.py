"""Gates, networks and sentinels that Hypothesis writes."""

from itertools import pairwise

from hypothesis import strategies as st

from akkordeon_dask import Gate, Network, Sentinel, beside, data, nn, optim

WORKERS = st.none() | st.sampled_from(["alice", "tcp://10.0.0.7:40331", "10.0.0.7", beside("front")])
RESOURCES = st.dictionaries(
    st.sampled_from(["GPU", "MEM", "a b"]), st.integers(1, 4) | st.floats(0.1, 1e12), max_size=2
)
OPTIMIZERS = st.sampled_from(
    [optim.SGD(0.1), optim.SGD(optim.Cosine(0.5, 100), momentum=0.9), optim.Adam(0.01), optim.DCASGDa(2e-2, lam=0.5)]
)
ACTIVATIONS = st.lists(st.sampled_from([nn.ReLU(), nn.Tanh(), nn.Dropout(0.15), nn.Scale(0.1, 2.0)]), max_size=2)


@st.composite
def gates(draw, inputs=None, outputs=None, name=None):
    width = st.integers(1, 9)
    inputs = draw(width) if inputs is None else inputs
    outputs = draw(width) if outputs is None else outputs
    layers = nn.Linear(inputs, outputs, bias=draw(st.booleans()))
    for layer in draw(ACTIVATIONS):
        layers = layers >> layer
    max_delay = draw(st.none() | st.integers(0, 9))
    return Gate(
        layers,
        draw(OPTIMIZERS),
        workers=draw(WORKERS),
        name=name,
        backward=draw(st.sampled_from(["stashed", "latest"])),
        max_delay=max_delay,
        on_stale=draw(st.sampled_from(["drop", "damp"] if max_delay is None else ["drop", "damp", "wait"])),
        dtype=draw(st.sampled_from(["float32", "float64"])),
        resources=draw(RESOURCES),
    )


@st.composite
def networks(draw, least=1):
    widths = draw(st.lists(st.integers(1, 9), min_size=least + 1, max_size=5))
    names = draw(st.lists(st.text("abcdef-_ é'", min_size=1, max_size=5), unique=True, min_size=4, max_size=4))
    named = draw(st.lists(st.booleans(), min_size=4, max_size=4))
    return Network(
        draw(gates(inputs, outputs, name=names[place] if named[place] else None))
        for place, (inputs, outputs) in enumerate(pairwise(widths))
    )


RATED = [
    *((nn.SoftmaxCrossEntropy(), scores) for scores in [(), None, (nn.Accuracy(),), (nn.Accuracy(), nn.TopK(3))]),
    *((nn.MeanSquaredError(), scores) for scores in [(), None, (nn.R2(),), (nn.RMSE(), nn.R2())]),
    (nn.SoftmaxCrossEntropy(label_smoothing=0.1), (nn.F1("micro"), nn.Recall(label=2), nn.LogLoss())),
    *((loss, None) for loss in [nn.Hinge(), nn.Huber(0.5), nn.PoissonNLL(), nn.MeanAbsoluteError()]),
]


@st.composite
def sentinels(draw):
    small = st.integers(1, 9)
    loss, scores = draw(st.sampled_from(RATED))
    mode = draw(st.sampled_from(["train", "validate", "test"]))
    return Sentinel(
        mode,
        data.mnist_sample("test", take=draw(small), seed=draw(small)),
        batch_size=draw(small),
        concurrency=draw(small),
        loss=loss,
        scores=scores,
        every=draw(st.floats(1e-3, 1e6) | st.sampled_from(["20s", "1.5min", 7])),
        epochs=None if mode == "test" else draw(st.none() | small),
        batches_per_pass=draw(st.none() | small),
        name=draw(st.none() | st.just("tdp")),
        workers=draw(WORKERS),
    )
