"""Messages as plain dicts: msgpack types and numpy arrays, without any pickle."""

import dataclasses
import operator
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np

from akkordeon_dask.errors import MessageError
from akkordeon_dask.messages._messages import (
    Address,
    Backward,
    Failed,
    Flush,
    Forward,
    Header,
    Leave,
    Message,
    Mode,
    Refused,
    StepEnd,
    Waiting,
    array_nbytes,
)
from akkordeon_dask.messages._narrowing import MOST_EXPONENT, WIRE_DTYPES, Narrowing
from akkordeon_dask.tree import Array

__all__ = ["NUMBERS", "decode", "encode", "flat", "nbytes", "packed"]

_KINDS: dict[str, type[Any]] = {
    "forward": Forward,
    "backward": Backward,
    "failed": Failed,
    "refused": Refused,
    "leave": Leave,
    "flush": Flush,
    "step-end": StepEnd,
    "waiting": Waiting,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_REAL = int, float
_HEADER_TYPES: tuple[Any, ...] = (str, int, str, (tuple, list), int, int, int, int, str, bool, _REAL, _REAL, bool)
_USUAL_TYPES = tuple(float if kind == _REAL else tuple if kind == (tuple, list) else kind for kind in _HEADER_TYPES)
_MODES: tuple[str, ...] = get_args(Mode)
_OVERHEAD = 512
NUMBERS = "biufc"
"""The kinds of dtypes that a message's array may have."""


def encode(message: Message) -> dict[str, Any]:
    """The message as a dict of plain values; its array, if any, under `"array"`."""
    plain: dict[str, Any] = {"kind": _NAMES[type(message)]}
    if isinstance(message, Leave):
        return plain | {"network": message.network, "sentinel": _flat(message.sentinel)}
    if isinstance(message, Flush | StepEnd):
        return plain | _flat_step(message)
    plain["header"] = _flat_header(message.header)
    if isinstance(message, Forward):
        plain["array"] = message.x
        if message.trained is not None:
            plain["trained"] = message.trained
    elif isinstance(message, Backward):
        plain["array"] = message.dy
    elif isinstance(message, Failed):
        plain |= {"gate": message.gate, "worker": message.worker, "reason": message.reason}
    elif isinstance(message, Refused):
        plain["gate"] = message.gate
    if isinstance(message, Forward | Backward) and message.narrowing is not None:
        plain["narrowing"] = tuple(message.narrowing)
    return plain


def decode(plain: Mapping[str, Any]) -> Message:
    """The message that `encode` returned as `plain`.

    Raises
    ------
    MessageError
        when it is not one.
    """
    try:
        return _decode(plain)
    except MessageError:
        raise
    except Exception as error:
        raise MessageError(f"not a message of akkordeon_dask: {_short(plain)}: {_short(error)}") from error


def _decode(plain: Mapping[str, Any]) -> Message:
    kind = _KINDS.get(plain["kind"])
    if kind is None:
        raise MessageError(f"unknown kind of message {_short(plain['kind'])}: known are {', '.join(_KINDS)}")
    if kind is Leave:
        return Leave(_text(plain["network"]), _address(plain["sentinel"]))
    if kind is Flush or kind is StepEnd:
        return _step(kind, plain)
    header = _header(plain["header"])
    if kind is Waiting:
        return Waiting(header)
    if kind is Forward:
        x = _array(plain["array"])
        return Forward(header, x, _trained(plain.get("trained")), _narrowing(plain.get("narrowing"), x))
    if kind is Backward:
        if plain["array"] is None:
            return Backward(header, None)
        dy = _array(plain["array"])
        return Backward(header, dy, _narrowing(plain.get("narrowing"), dy))
    if kind is Failed:
        return Failed(header, _text(plain["gate"]), _text(plain["worker"]), _text(plain["reason"]))
    return Refused(header, _text(plain["gate"]))


def _flat_step(message: Flush | StepEnd) -> dict[str, Any]:
    address, number = _ABOUT_STEPS[type(message)]
    return {
        "network": message.network,
        "generation": message.generation,
        address: _flat(getattr(message, address)),
        number: getattr(message, number),
        "trained": message.trained,
    }


def _step(kind: type[Any], plain: Mapping[str, Any]) -> Message:
    address, number = _ABOUT_STEPS[kind]
    for name in ("generation", number):
        if type(plain[name]) is not int:
            raise MessageError(
                f"the {name} is {_short(plain[name])}, a {type(plain[name]).__name__}: that is no message"
            )
    where, trained = _address(plain[address]), _trained(plain["trained"])
    message: Message = kind(_text(plain["network"]), plain["generation"], where, plain[number], trained)
    return message


_ABOUT_STEPS = {Flush: ("sentinel", "floor"), StepEnd: ("entry", "number")}
"""By kind, the names of their address and their number."""


def packed(message: Message) -> Message:
    """The message with its array in one piece of memory; a comm would copy it on its event loop.

    A view that repeats numbers stays as it is: a comm sends each of them once.
    """
    if isinstance(message, Forward) and _scattered(message.x):
        return dataclasses.replace(message, x=np.ascontiguousarray(message.x))
    if isinstance(message, Backward) and message.dy is not None and _scattered(message.dy):
        return dataclasses.replace(message, dy=np.ascontiguousarray(message.dy))
    return message


def _scattered(array: Array) -> bool:
    flags = array.flags
    return not (flags.c_contiguous or flags.f_contiguous or 0 in array.strides)


def flat(array: Array) -> dict[str, Any] | None:
    """An array's dtype, shape and bytes, which `decode` accepts in its place; None where it is not contiguous numbers.

    The bytes, under `"data"`, are a view of the array.
    """
    if array.dtype.kind not in NUMBERS or not array.flags.c_contiguous:
        return None
    return {"dtype": array.dtype.str, "shape": array.shape, "data": array.reshape(-1).view(np.uint8).data}


def nbytes(message: Message) -> int:
    """About how many bytes the message takes on the wire; both ends of a link count alike."""
    return _OVERHEAD + array_nbytes(message)


def _flat(address: Address) -> tuple[str, str]:
    return address.worker, address.actor


def _flat_header(header: Header) -> tuple[Any, ...]:
    values = list(_header_values(header))
    values[_REPLY_TO] = _flat(header.reply_to)
    return tuple(values)


_HEADER_FIELDS = tuple(field.name for field in dataclasses.fields(Header) if field.init)
_header_values = operator.attrgetter(*_HEADER_FIELDS)
_REPLY_TO = _HEADER_FIELDS.index("reply_to")


def _header(values: Any) -> Header:
    if not isinstance(values, tuple | list) or len(values) != len(_HEADER_FIELDS):
        raise MessageError(f"a header has {len(_HEADER_FIELDS)} fields {_HEADER_FIELDS}, this one is {_short(values)}")
    if tuple(map(type, values)) != _USUAL_TYPES:
        _check_types(values)
    values = list(values)
    values[_REPLY_TO] = _address(values[_REPLY_TO])
    header = Header(*values)
    if header.mode not in _MODES:
        raise MessageError(f"the header's mode is {_short(header.mode)}: known are {', '.join(_MODES)}")
    return header


def _check_types(values: Sequence[Any]) -> None:
    for name, value, kind in zip(_HEADER_FIELDS, values, _HEADER_TYPES, strict=True):
        if not isinstance(value, kind):
            raise MessageError(f"the header's {name} is {_short(value)}, a {type(value).__name__}: that is no message")


def _address(value: Any) -> Address:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise MessageError(f"an address is a worker and an actor, this one is {_short(value)}")
    worker, actor = value
    return Address(_text(worker), _text(actor))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise MessageError(f"expected text, got {_short(value)}")
    return value


def _trained(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    updates, samples = value
    if not (type(updates) is int and type(samples) is int):
        raise MessageError(f"expected updates and samples, got {_short(value)}")
    return updates, samples


def _narrowing(value: Any, array: Array) -> Narrowing | None:
    if value is None:
        return None
    format, exponent = value
    if type(exponent) is not int or abs(exponent) > MOST_EXPONENT or array.dtype != WIRE_DTYPES[format]:
        raise MessageError(f"{_short(value)} says nothing of an array of {array.dtype}")
    return Narrowing(format, exponent)


def _array(value: Any) -> Array:
    if isinstance(value, np.ndarray):
        return value
    if not isinstance(value, Mapping):
        raise MessageError(f"expected an array, got {_short(value)}")
    dtype, data = np.dtype(_text(value["dtype"])), memoryview(value["data"])
    if dtype.kind not in NUMBERS:
        raise MessageError(f"expected an array of numbers, got one of {dtype}")
    array: Array = np.ndarray(tuple(value["shape"]), dtype, buffer=data)
    if array.nbytes != data.nbytes:
        raise MessageError(f"an array {array.shape} of {dtype} has {array.nbytes} bytes, not {data.nbytes}")
    return array


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # a foreign object's, or nested too deep
        text = f"a {type(value).__name__}"
    return text if len(text) <= 200 else text[:200] + "..."
