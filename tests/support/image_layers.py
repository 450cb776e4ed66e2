"""For the table of layers: pairs of a layer and the shape of a sample that it takes."""

from akkordeon_dask import nn

IMAGES = [
    (nn.Conv2d(2, 3, 3), (2, 5, 4)),
    (nn.Conv2d(1, 2, 1, bias=False), (1, 3, 2)),
    (nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2), (2, 5, 4)),
    (nn.Conv2d(2, 2, 3, padding=1, dilation=2), (2, 4, 5)),
    (nn.Conv2d(3, 3, 2, stride=2, groups=3), (3, 5, 5)),
    (nn.Conv2d(2, 2, (2, 4), padding="same", stride=(1, 3)), (2, 4, 5)),
    (nn.Conv2d(1, 2, 3, padding=((2, 0), 1)), (1, 4, 3)),
    (nn.MaxPool2d(3, stride=2, padding="same"), (2, 4, 5)),
    (nn.Conv1d(2, 4, 3, padding=(4, 0), dilation=2, groups=2), (2, 5)),
    (nn.Conv1d(2, 3, 2, stride=2, bias=False), (2, 7)),
    (nn.MaxPool2d(2), (2, 4, 6)),
    (nn.MaxPool2d(2), (1, 5, 3)),
    (nn.MaxPool2d((3, 2), stride=(1, 2), padding=1), (2, 5, 4)),
    (nn.MaxPool2d(1, stride=2), (1, 4, 5)),
    (nn.AvgPool2d(2), (2, 4, 5)),
    (nn.AvgPool2d(3, stride=1, padding=1), (1, 4, 3)),
    (nn.AvgPool2d((1, 2), stride=(2, 3)), (2, 4, 6)),
    (nn.AvgPool2d(1), (2, 2, 3)),
    (nn.MaxPool2d(1), (2, 2, 3)),
    (nn.GlobalAvgPool2d(), (3, 2, 3)),
    (nn.Conv2d(1, 2, 3, padding=1) >> nn.ReLU() >> nn.MaxPool2d(2) >> nn.Flatten() >> nn.Linear(8, 3), (1, 4, 5)),
    (nn.Tanh() >> nn.MaxPool2d(2) >> nn.ReLU() >> nn.Conv2d(1, 2, 2) >> nn.AvgPool2d(1) >> nn.Scale(0.1, 2), (1, 6, 6)),
    (nn.Conv2d(2, 3, 2) >> nn.AvgPool2d(2) >> nn.Sigmoid() >> nn.GlobalAvgPool2d() >> nn.Linear(3, 2), (2, 5, 5)),
]
