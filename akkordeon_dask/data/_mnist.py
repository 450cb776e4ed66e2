"""MNIST and Fashion-MNIST."""

from akkordeon_dask.data._files import FileSet
from akkordeon_dask.data._images import Images, shuffles
from akkordeon_dask.data._provider import Provider

__all__ = ["FASHION_MNIST", "MNIST", "fashion_mnist", "mnist"]

MNIST = FileSet(
    "mnist",
    (
        ("train-images-idx3-ubyte.gz", "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1-ubyte.gz", "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3-ubyte.gz", "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1-ubyte.gz", "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ),
    ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
)

FASHION_MNIST = FileSet(
    "fashion-mnist",
    (
        ("train-images-idx3-ubyte.gz", "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "md5:25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "md5:bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "md5:bb300cfdad3c16e7a12a480ee83cd310"),
    ),
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
)


def mnist(
    split: str,
    *,
    shuffle: bool | None = None,
    seed: int = 0,
    take: int | None = None,
    shard: tuple[int, int] | None = None,
) -> Provider:
    """MNIST: 60 000 handwritten digits to train, 10 000 to test.

    x : (batch, 784) uint8, y : (batch,) int64 from 0 to 9. The files are looked for in
    `$AKKORDEON_DATA/mnist`, then in the user's cache, else downloaded into it, where the sentinel runs.

    Parameters
    ----------
    split
        `"train"` or `"test"`.
    shuffle, seed
        draw a new order in each epoch, a pure function of (seed, epoch); None: `"train"` yes, `"test"` no.
    take
        only the first `take` samples.
    shard
        `(i, n)`: the i-th (from 0) of n disjoint shards of those, every n-th sample.

    Raises
    ------
    DataError
        an unknown split, a `take` or `shard` that cannot be; when opened: files that cannot be had
        or are damaged.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, 'Gradient-based learning applied to document recognition',
    Proceedings of the IEEE 86(11), 1998.

    Examples
    --------
    >>> from akkordeon_dask import data
    >>> data.mnist("train", shard=(0, 2))
    data.mnist('train', shard=(0, 2))
    """
    return Images(split, MNIST, shuffle=shuffles(split, shuffle), seed=seed, take=take, shard=shard)


def fashion_mnist(
    split: str,
    *,
    shuffle: bool | None = None,
    seed: int = 0,
    take: int | None = None,
    shard: tuple[int, int] | None = None,
) -> Provider:
    """Fashion-MNIST: 60 000 pictures of clothes to train, 10 000 to test, in the form of MNIST.

    Everything is as in `mnist`; the folder is `$AKKORDEON_DATA/fashion-mnist`.

    Examples
    --------
    >>> from akkordeon_dask import data
    >>> data.fashion_mnist("test", take=1000)
    data.fashion_mnist('test', take=1000)

    References
    ----------
    H. Xiao, K. Rasul, R. Vollgraf, 'Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms', arXiv 1708.07747, 2017.
    """
    return Images(split, FASHION_MNIST, shuffle=shuffles(split, shuffle), seed=seed, take=take, shard=shard)
