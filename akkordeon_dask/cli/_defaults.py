"""What `demo` does where nothing else is said: the one place to tune its training."""

__all__ = [
    "BATCH_SIZE",
    "CONCURRENCY",
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
    "VALIDATE_EVERY",
]

DATA = "mnist-sample"
SIZES = "784,50,20,10"
"""The network of botkop/akkordeon's SimpleAkkordeon."""

MEAN, STD = 33.3, 78.6
"""Of MNIST's pixels, for `nn.Scale`."""

OPTIMIZER = "dcasgda"
LEARNING_RATES = {"sgd": 2e-2, "momentum": 5e-3, "nesterov": 5e-3, "adam": 1e-3, "dcasgd": 5e-2, "dcasgda": 5e-2}
"""For each optimizer, the learning rate at its top: after the warm-up, before the cosine's descent."""

SCHEDULE_WARM_UP = 0.05
"""Share of all updates in which the learning rate rises."""

DROPOUT = "0"
BATCH_SIZE = 64
CONCURRENCY = 5
EPOCHS = 10
VALIDATE_EVERY = "2s"
TEST_BATCH_SIZE = 1000
"""Samples a batch of validation and test."""
