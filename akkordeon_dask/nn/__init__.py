"""Layers, losses and scores: frozen values with pure numpy functions."""

from akkordeon_dask.nn._binary_cross_entropy import BinaryCrossEntropyWithLogits
from akkordeon_dask.nn._chain import Chain
from akkordeon_dask.nn._cross_entropy import SoftmaxCrossEntropy
from akkordeon_dask.nn._drop_connect import DropConnect
from akkordeon_dask.nn._dropout import Dropout
from akkordeon_dask.nn._flatten import Flatten
from akkordeon_dask.nn._gelu import GELU
from akkordeon_dask.nn._initializers import GlorotUniform, HeNormal, Initializer, Normal, Zeros
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Layer, Shape
from akkordeon_dask.nn._leaky_relu import LeakyReLU
from akkordeon_dask.nn._linear import Linear
from akkordeon_dask.nn._loss import Loss, Score
from akkordeon_dask.nn._mean_squared_error import MeanSquaredError
from akkordeon_dask.nn._relu import ReLU
from akkordeon_dask.nn._scale import Scale
from akkordeon_dask.nn._scores import Accuracy, TopK
from akkordeon_dask.nn._sigmoid import Sigmoid
from akkordeon_dask.nn._tanh import Tanh

__all__ = [
    "GELU",
    "Accuracy",
    "BinaryCrossEntropyWithLogits",
    "Chain",
    "Context",
    "DropConnect",
    "Dropout",
    "Flatten",
    "GlorotUniform",
    "HeNormal",
    "Initializer",
    "Key",
    "Layer",
    "LeakyReLU",
    "Linear",
    "Loss",
    "MeanSquaredError",
    "Normal",
    "ReLU",
    "Scale",
    "Score",
    "Shape",
    "Sigmoid",
    "SoftmaxCrossEntropy",
    "Tanh",
    "TopK",
    "Zeros",
]
