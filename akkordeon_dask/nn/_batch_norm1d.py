"""Batch normalisation of features."""

from dataclasses import dataclass

from akkordeon_dask.nn._batch_norm import BatchNorm
from akkordeon_dask.nn._layer import Shape

__all__ = ["BatchNorm1d"]


@dataclass(frozen=True, repr=False)
class BatchNorm1d(BatchNorm):
    """`y = (x - mean) / sqrt(var + eps) * w + b`, each feature by its mean and variance.

    Ioffe, Szegedy, 'Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
    Shift', arXiv 1502.03167, 2015. Unlike the paper, which averages over the last batches after training, a running
    average is kept while it goes on.

    In training a batch is normalised by its own mean and (biased) variance, otherwise by the running statistics.

    The running statistics, with several batches of several sentinels in flight:

    - A batch in training is normalised by its own statistics alone, so batches in flight never influence one another.
    - The running statistics are part of a gate's version. When the gate is updated with a batch, that is, when its
      backward pass arrives, the new version has them moved towards those of that batch:
      `momentum * old + (1 - momentum) * batch`, once, in the order of the updates. A batch's statistics are its mean
      and its unbiased variance (the biased one for a single sample).
    - A batch whose gradient is dropped or lost does not count; one that is sent again counts once. A gradient that
      is damped for its delay counts in full: statistics are no gradient.
    - All training sentinels of a gate share one running average, each with a share by its number of updates.
    - A validation pass reads the statistics of the version that it has pinned.
    - With a delay, a batch's statistics were computed with parameters that are `delay` updates old.

    Large inputs that differ little, such as dates as numbers: in training a batch is normalised to the precision of
    the parameters' dtype. The running mean, though, is kept in that dtype: in float32 one of 2e7 is off by up to 1,
    and so are inputs normalised by it in validation and prediction. Put `nn.Scale(mean, std)` in front of such inputs.

    Parameters
    ----------
    features
        number of features of a sample, at least 1.
    momentum
        the share of the running statistics that is kept at an update, in [0, 1). PyTorch's `momentum` is one
        minus this.
    eps
        is added to the variance, above 0.

    Shapes
    ------
    x, y : (batch, features) float; w, b, statistics.mean, statistics.var : (features,)

    Raises
    ------
    SpecError
        when a parameter is out of its range.
    ShapeError
        by `output_shape`, for samples of another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from akkordeon_dask import nn
    >>> layer = nn.BatchNorm1d(1)
    >>> params = layer.init(np.random.default_rng(0))
    >>> layer.forward(params, np.array([[1.0], [3.0]]), train=True)[0].round(3).tolist()
    [[-1.0], [1.0]]
    """

    features: int
    momentum: float = 0.9
    eps: float = 1e-5

    @property
    def input_shape(self) -> Shape | None:
        return (self.features,)
