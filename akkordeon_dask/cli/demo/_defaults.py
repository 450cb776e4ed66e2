"""The defaults of `demo`, with which its training is tuned. Its sentinels have the defaults of `Sentinel` otherwise."""

__all__ = [
    "DATA",
    "DROPOUT",
    "EPOCHS",
    "LEARNING_RATES",
    "MEAN",
    "OPTIMIZER",
    "SCHEDULE_WARM_UP",
    "SIZES",
    "STD",
    "TEST_BATCH_SIZE",
]

DATA = "mnist-sample"
SIZES = "784,50,20,10"
"""The network of botkop/akkordeon's SimpleAkkordeon."""

MEAN, STD = 33.3, 78.6
"""Of MNIST's pixels, for `nn.Scale`."""

OPTIMIZER = "dcasgda"
LEARNING_RATES = {
    "sgd": 8e-2, "momentum": 2e-2, "nesterov": 2e-2, "adam": 4e-3, "dcasgd": 1e-1, "dcasgda": 1e-1,
    "gapaware": 3e-1, "nadam": 4e-3, "muon": 1e-2,
}  # fmt: skip
"""For each optimizer, the learning rate at its top: after the warm-up, before the cosine's descent. They are for a
sentinel's default batch size and concurrency."""

SCHEDULE_WARM_UP = 0.05
"""Share of all updates in which the learning rate rises."""

DROPOUT = "0"
EPOCHS = 10
TEST_BATCH_SIZE = 1000
"""Samples a batch of validation and test."""
