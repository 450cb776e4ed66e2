"""Layers, losses and scores: frozen values with pure numpy functions."""

from akkordeon_dask.nn._avg_pool2d import AvgPool2d
from akkordeon_dask.nn._batch_norm1d import BatchNorm1d
from akkordeon_dask.nn._batch_norm2d import BatchNorm2d
from akkordeon_dask.nn._binary_cross_entropy import BinaryCrossEntropyWithLogits
from akkordeon_dask.nn._chain import Chain
from akkordeon_dask.nn._class_scores import F1, BalancedAccuracy, Precision, Recall
from akkordeon_dask.nn._conv1d import Conv1d
from akkordeon_dask.nn._conv2d import Conv2d
from akkordeon_dask.nn._cross_entropy import SoftmaxCrossEntropy
from akkordeon_dask.nn._drop_connect import DropConnect
from akkordeon_dask.nn._dropout import Dropout
from akkordeon_dask.nn._embedding import Embedding
from akkordeon_dask.nn._flatten import Flatten
from akkordeon_dask.nn._gelu import GELU
from akkordeon_dask.nn._global_avg_pool2d import GlobalAvgPool2d
from akkordeon_dask.nn._hinge import Hinge
from akkordeon_dask.nn._huber import Huber
from akkordeon_dask.nn._identity import Identity
from akkordeon_dask.nn._initializers import GlorotUniform, HeNormal, Initializer, Normal, Zeros
from akkordeon_dask.nn._key import Key
from akkordeon_dask.nn._layer import Context, Layer, Shape
from akkordeon_dask.nn._layer_norm import LayerNorm
from akkordeon_dask.nn._leaky_relu import LeakyReLU
from akkordeon_dask.nn._linear import Linear
from akkordeon_dask.nn._log_loss import LogLoss
from akkordeon_dask.nn._loss import Loss, Score, ScoreState, Targets
from akkordeon_dask.nn._max_pool2d import MaxPool2d
from akkordeon_dask.nn._mean_absolute_error import MeanAbsoluteError
from akkordeon_dask.nn._mean_squared_error import MeanSquaredError
from akkordeon_dask.nn._parallel import Parallel
from akkordeon_dask.nn._poisson import PoissonNLL
from akkordeon_dask.nn._regression_scores import MAE, MSE, R2, RMSE
from akkordeon_dask.nn._relu import ReLU
from akkordeon_dask.nn._reshape import Reshape
from akkordeon_dask.nn._residual import Residual
from akkordeon_dask.nn._roc_auc import ROCAUC
from akkordeon_dask.nn._scale import Scale
from akkordeon_dask.nn._scores import Accuracy, BinaryAccuracy, TopK
from akkordeon_dask.nn._sigmoid import Sigmoid
from akkordeon_dask.nn._softmax import Softmax
from akkordeon_dask.nn._tanh import Tanh

__all__ = [
    "F1",
    "GELU",
    "MAE",
    "MSE",
    "R2",
    "RMSE",
    "ROCAUC",
    "Accuracy",
    "AvgPool2d",
    "BalancedAccuracy",
    "BatchNorm1d",
    "BatchNorm2d",
    "BinaryAccuracy",
    "BinaryCrossEntropyWithLogits",
    "Chain",
    "Context",
    "Conv1d",
    "Conv2d",
    "DropConnect",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAvgPool2d",
    "GlorotUniform",
    "HeNormal",
    "Hinge",
    "Huber",
    "Identity",
    "Initializer",
    "Key",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogLoss",
    "Loss",
    "MaxPool2d",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Normal",
    "Parallel",
    "PoissonNLL",
    "Precision",
    "ReLU",
    "Recall",
    "Reshape",
    "Residual",
    "Scale",
    "Score",
    "ScoreState",
    "Shape",
    "Sigmoid",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Tanh",
    "Targets",
    "TopK",
    "Zeros",
]
