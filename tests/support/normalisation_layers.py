"""For the table of layers: pairs of a layer and the shape of a sample that it takes.

`eps` is large in most: near a variance of 0, where it alone holds a slope, differences are not the slope.
"""

from akkordeon_dask import nn

EPS = 0.3
IMAGE = (2, 3, 2)

NORMALISATIONS = [
    (nn.BatchNorm1d(4, eps=EPS), (4,)),
    (nn.BatchNorm1d(1, momentum=0.0, eps=EPS), (1,)),
    (nn.BatchNorm2d(2, eps=EPS), IMAGE),
    (nn.BatchNorm2d(3, momentum=0.5, eps=2), (3, 1, 1)),
    (nn.LayerNorm(5, eps=EPS), (5,)),
    (nn.LayerNorm((2, 3), eps=EPS), (2, 3)),
    (nn.LayerNorm(IMAGE), IMAGE),
    (nn.Linear(4, 5) >> nn.BatchNorm1d(5, eps=EPS) >> nn.ReLU() >> nn.Linear(5, 2), (4,)),
    (nn.Tanh() >> nn.BatchNorm1d(5, eps=EPS) >> nn.Sigmoid() >> nn.BatchNorm1d(5, eps=EPS), (5,)),
    (nn.Linear(4, 3) >> nn.LayerNorm(3, eps=EPS) >> nn.Dropout(0.3) >> nn.LayerNorm(3, eps=EPS) >> nn.Tanh(), (4,)),
    (nn.Scale(0.1, 2) >> nn.BatchNorm2d(2, eps=EPS) >> nn.GELU() >> nn.Flatten() >> nn.Linear(12, 2), IMAGE),
    (nn.BatchNorm2d(2, eps=EPS) >> nn.LeakyReLU() >> nn.LayerNorm(IMAGE, eps=EPS) >> nn.BatchNorm2d(2, eps=EPS), IMAGE),
    (nn.Chain([nn.Dropout(0.3) >> nn.BatchNorm1d(4, eps=EPS), nn.ReLU(), nn.Chain([nn.LayerNorm(4, eps=EPS)])]), (4,)),
    (nn.Flatten() >> nn.LayerNorm(6, eps=EPS) >> nn.GELU() >> nn.BatchNorm1d(6, eps=EPS), (2, 3)),
    (nn.Conv2d(1, 2, 2) >> nn.BatchNorm2d(2, eps=EPS) >> nn.ReLU() >> nn.MaxPool2d(2), (1, 5, 4)),
]
