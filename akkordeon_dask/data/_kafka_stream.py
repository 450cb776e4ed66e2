"""A topic of Apache Kafka as a provider."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from akkordeon_dask._durations import Duration, parse_duration
from akkordeon_dask.data._polling_source import PollingSource
from akkordeon_dask.data._provider import Provider, Source
from akkordeon_dask.errors import DataError

__all__ = ["KafkaStream", "stream_kafka"]

logger = logging.getLogger(__name__)

_CONNECT = 10.0
"""Seconds in which a broker has to answer."""

_PASSING = frozenset({"_MAX_POLL_EXCEEDED", "_ALL_BROKERS_DOWN", "_TRANSPORT", "_TIMED_OUT"})
"""Errors after which librdkafka goes on by itself: nobody polled for long, or brokers are away."""

Setting = str | int | float | bool


def stream_kafka(
    servers: str,
    topic: str,
    decode: Callable[[bytes], tuple[ArrayLike, ArrayLike | None]],
    *,
    group: str = "akkordeon",
    linger: Duration = 1.0,
    config: Mapping[str, Setting] | None = None,
) -> Provider:
    """The messages of a topic, a sample each; needs `pip install 'akkordeon_dask[kafka]'`.

    The stream never ends: give the sentinel `report_every`. Sentinels of one group share the topic's partitions.
    An offset is committed some seconds after its message was drawn: a sentinel that begins anew goes on there, and
    messages that were in flight are lost, not repeated.

    Parameters
    ----------
    servers
        addresses of brokers: `"broker1:9092,broker2:9092"`.
    topic
        its name.
    decode
        a function of a message's value that returns one sample, `(x, y)`; y is None where there are no labels.
    group
        of consumers.
    linger
        time after which samples leave as a smaller batch where no more have come: `"2s"`, or seconds.
    config
        further settings of librdkafka: `{"security.protocol": "SSL", "auto.offset.reset": "latest"}`.

    Raises
    ------
    DataError
        when opened: no broker answers, no such topic, or confluent-kafka is not installed; later: what `decode`
        raises, with the message's place.

    Examples
    --------
    >>> from akkordeon_dask import data
    >>> def decode(value):
    ...     *x, y = map(float, value.split(b","))
    ...     return x, y
    >>> data.stream_kafka("broker:9092", "readings", decode)
    data.stream_kafka('broker:9092', 'readings', <function decode>)
    """
    for label, value in (("servers", servers), ("topic", topic), ("group", group)):
        if not isinstance(value, str) or not value:
            raise DataError(f"{label}={value!r}: give text")
    if not callable(decode):
        raise DataError(f"decode={decode!r}: give a function of a message's bytes that returns (x, y)")
    settings = tuple((config or {}).items())
    return KafkaStream(servers, topic, decode, group, parse_duration("linger", linger, error=DataError), settings)


@dataclass(frozen=True, repr=False)
class KafkaStream(Provider):
    """The provider that `data.stream_kafka` returns."""

    servers: str
    topic: str
    decode: Callable[[bytes], tuple[ArrayLike, ArrayLike | None]]
    group: str
    linger: float
    config: tuple[tuple[str, Setting], ...]

    def open(self) -> Source:
        return PollingSource(repr(self), _Connection(self), self.linger)

    def __repr__(self) -> str:
        said = [repr(self.servers), repr(self.topic), f"<function {getattr(self.decode, '__name__', self.decode)}>"]
        said += [] if self.group == "akkordeon" else [f"group={self.group!r}"]
        said += [] if self.linger == 1.0 else [f"linger={self.linger:g}"]
        said += [] if not self.config else [f"config={dict(self.config)!r}"]
        return f"{self.namespace}stream_kafka({', '.join(said)})"


class _Connection:
    origin = ""

    def __init__(self, stream: KafkaStream) -> None:
        self._stream = stream
        try:
            import confluent_kafka  # an optional dependency
        except ImportError as error:
            raise DataError(f"{stream!r} needs confluent-kafka: pip install 'akkordeon_dask[kafka]'") from error
        settings = {"auto.offset.reset": "earliest", **dict(stream.config)}
        settings |= {"bootstrap.servers": stream.servers, "group.id": stream.group}
        try:
            self._consumer: Any = confluent_kafka.Consumer(settings)
        except (confluent_kafka.KafkaException, TypeError, ValueError) as error:
            raise DataError(f"{stream!r}: librdkafka refuses its settings: {error}") from error
        try:
            self._subscribe(confluent_kafka.KafkaException)
        except BaseException:
            self._consumer.close()
            raise

    def _subscribe(self, failure: type[Exception]) -> None:
        stream = self._stream
        try:
            found = self._consumer.list_topics(stream.topic, timeout=_CONNECT).topics[stream.topic]
        except failure as error:
            raise DataError(f"{stream!r}: no broker answers within {_CONNECT:g} s ({error}): name others") from error
        if found.error is not None:
            raise DataError(f"{stream!r}: {found.error}: create the topic, or name another")
        self._consumer.subscribe([stream.topic])

    def poll(self, seconds: float) -> object | None:
        message = self._consumer.poll(seconds)
        if message is None:
            return None
        if (error := message.error()) is not None:
            if error.name() in _PASSING:
                logger.warning("%r: %s: it goes on by itself", self._stream, error)
                return None
            raise DataError(f"{self._stream!r}: {error}")
        self.origin = f"partition {message.partition()}, offset {message.offset()}"
        try:
            x, y = self._stream.decode(message.value())
        except Exception as error:
            raise DataError(f"{self._stream!r}: decode raised {error!r} at {self.origin}") from error
        return np.asarray(x)[np.newaxis], None if y is None else np.asarray(y)[np.newaxis]

    def close(self) -> None:
        self._consumer.close()
