"""What `demo` does where nothing else is said: the one place to tune its training. Its sentinels are as `Sentinel` has
them where nothing else is said."""

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
LEARNING_RATES = {"sgd": 8e-2, "momentum": 2e-2, "nesterov": 2e-2, "adam": 4e-3, "dcasgd": 1e-1, "dcasgda": 1e-1}
"""For each optimizer, the learning rate at its top: after the warm-up, before the cosine's descent. They are for a
sentinel's default batch size and concurrency."""

SCHEDULE_WARM_UP = 0.05
"""Share of all updates in which the learning rate rises."""

DROPOUT = "0"
EPOCHS = 10
TEST_BATCH_SIZE = 1000
"""Samples a batch of validation and test."""
