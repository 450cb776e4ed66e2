"""The public names of `nn`."""

import inspect

from akkordeon_dask import nn


def below(base):
    """All that derive from a class."""
    for kind in base.__subclasses__():
        yield kind
        yield from below(kind)


def test_every_layer_loss_and_score_is_exported():
    for name in nn.__all__:
        assert hasattr(nn, name)
    public = {name for name, value in vars(nn).items() if isinstance(value, type) and not name.startswith("_")}
    assert public <= set(nn.__all__)
    for base in (nn.Layer, nn.Loss, nn.Score, nn.Initializer):
        for kind in below(base):
            ours = kind.__module__.startswith("akkordeon_dask.nn.") and not inspect.isabstract(kind)
            if ours and kind.__name__ != "ScaledLinear":
                assert getattr(nn, kind.__name__) is kind
