"""For the table of layers: pairs of a layer and the shape of a sample that it takes."""

from akkordeon_dask import nn

IMAGE = (2, 3)
VIEWS = [nn.Flatten(), nn.Identity(), nn.Reshape((5,)), nn.Chain([nn.Reshape((5, 1)), nn.Dropout(0), nn.Flatten()])]
KEEPS = [nn.ReLU(), nn.Softmax(), nn.Tanh() >> nn.Flatten(), nn.Linear(5, 5) >> nn.Sigmoid() >> nn.Dropout(0)]
DRAWS = [nn.Dropout(0.4), nn.Linear(5, 5) >> nn.Dropout(0.5), nn.DropConnect(5, 5, 0.4)]
INNER = [*VIEWS, *KEEPS, *DRAWS, nn.Linear(5, 5), nn.Scale(0.1, 2.0), nn.LeakyReLU(0.3) >> nn.Linear(5, 5)]
SUMS = [
    [nn.Flatten()],
    [nn.ReLU()],
    [nn.Linear(5, 5)],
    [nn.ReLU(), nn.ReLU()],
    [nn.Flatten(), nn.Dropout(0), nn.Flatten()],
    [nn.Flatten(), nn.Scale(0.1, 2.0), nn.ReLU()],
    [nn.ReLU(), nn.Flatten(), nn.Linear(5, 5), nn.Linear(5, 5)],
    [nn.Dropout(0.5), nn.Dropout(0.5), nn.Dropout(0.5)],
    [nn.Residual(nn.ReLU()), nn.Parallel([nn.Flatten()]), nn.Residual(nn.Flatten())],
]
SIDE_BY_SIDE = [
    [nn.Flatten()],
    [nn.ReLU(), nn.ReLU()],
    [nn.Flatten(), nn.Dropout(0), nn.Tanh()],
    [nn.Linear(5, 1) >> nn.ReLU(), nn.Linear(5, 4), nn.Dropout(0.4), nn.DropConnect(5, 2, 0.3)],
    [nn.Residual(nn.Sigmoid()), nn.Parallel([nn.Linear(5, 2), nn.Dropout(0)], join="concatenate")],
]


def among_others(layer):
    """The layer in chains: behind one whose output it may overwrite or may not, in front of those that overwrite."""
    yield nn.Scale(0.2, 0.7) >> layer >> nn.ReLU() >> nn.Scale(0.1, 2.0)
    yield nn.Chain([nn.Sigmoid(), layer, nn.Dropout(0.3), nn.Scale(0.1, 2.0), nn.LeakyReLU(0.2)])


def gone_around(layer):
    """The layer in residuals."""
    yield nn.Residual(layer)
    yield nn.Residual(nn.Tanh() >> layer >> nn.Tanh()) >> nn.ReLU()


COMPOSITES = [
    (nn.Softmax(), (5,)),
    (nn.Softmax(), IMAGE),
    (nn.Softmax(), (1,)),
    (nn.Scale(0.1, 0.5) >> nn.Softmax() >> nn.Scale(0.1, 2.0), (4,)),
    (nn.Reshape((3, 2)), IMAGE),
    (nn.Reshape((-1,)), IMAGE),
    (nn.Reshape(()), (1, 1)),
    (nn.Reshape((3, -1, 1)) >> nn.ReLU() >> nn.Flatten() >> nn.Linear(6, 2), IMAGE),
    (nn.Tanh() >> nn.Reshape((6,)) >> nn.Scale(0.1, 2.0) >> nn.Reshape(IMAGE) >> nn.ReLU(), IMAGE),
    *((nn.Residual(inner), (5,)) for inner in INNER),
    *((nn.Residual(inner, projection), (5,)) for inner in (VIEWS[0], KEEPS[0], DRAWS[1]) for projection in INNER[::4]),
    (nn.Residual(nn.Reshape((6,)) >> nn.Linear(6, 6) >> nn.Reshape(IMAGE)), IMAGE),
    (nn.Residual(nn.ReLU() >> nn.Flatten() >> nn.Linear(6, 4), nn.Flatten() >> nn.Linear(6, 4, bias=False)), IMAGE),
    (nn.Residual(nn.Residual(nn.Residual(nn.Linear(5, 5) >> nn.ReLU()))), (5,)),
    (nn.Residual(nn.Linear(5, 5) >> nn.BatchNorm1d(5), nn.BatchNorm1d(5)) >> nn.ReLU(), (5,)),
    (nn.Parallel([nn.BatchNorm1d(5), nn.Dropout(0), nn.LayerNorm((5,))], join="concatenate"), (5,)),
    (nn.Residual(nn.Residual(nn.Flatten()), nn.Residual(nn.Dropout(0))), (5,)),
    *((nn.Parallel(branches), (5,)) for branches in SUMS),
    *((nn.Parallel(branches, join="concatenate"), (5,)) for branches in SIDE_BY_SIDE),
    (nn.Parallel([nn.ReLU(), nn.Dropout(0), nn.Dropout(0.4)], join="concatenate", axis=1), IMAGE),
    (nn.Parallel([nn.Reshape((1, 6)), nn.Flatten() >> nn.Linear(6, 12) >> nn.Reshape((2, 6))], "concatenate"), IMAGE),
    *((layer, (5,)) for branches in SUMS[::3] for layer in gone_around(nn.Parallel(branches))),
    *((layer, (5,)) for branches in SUMS[::3] for layer in among_others(nn.Parallel(branches))),
    *((layer, (5,)) for branches in SIDE_BY_SIDE[1:4] for layer in among_others(nn.Parallel(branches, "concatenate"))),
    *((layer, (5,)) for inner in INNER[::4] for layer in among_others(nn.Residual(inner))),
]
