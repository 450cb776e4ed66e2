"""What `nn` hands on."""

from akkordeon_dask import nn


def test_every_layer_loss_and_score_is_handed_on():
    for name in nn.__all__:
        assert hasattr(nn, name)
    public = {name for name, value in vars(nn).items() if isinstance(value, type) and not name.startswith("_")}
    assert public <= set(nn.__all__)
    for base in (nn.Layer, nn.Loss, nn.Score, nn.Initializer):
        for kind in base.__subclasses__():
            if kind.__module__.startswith("akkordeon_dask") and kind.__name__ not in ("Affine", "ScaledLinear"):
                assert getattr(nn, kind.__name__) is kind
