"""The parameters that weight decay is for."""

from akkordeon_dask.tree import Array

__all__ = ["is_decayed"]


def is_decayed(w: Array, everything: bool) -> bool:
    """Weight matrices and filters are, biases and the scales of normalisations are not, unless `everything` is.

    Loshchilov and Hutter's decay is meant for what is multiplied with inputs; a bias or a scale that shrinks only
    fits worse. They are told apart by their number of axes.
    """
    return everything or w.ndim > 1
