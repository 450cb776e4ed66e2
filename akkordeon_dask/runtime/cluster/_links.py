"""Links to dashboards."""

import re

__all__ = ["bracketed"]

_BARE = re.compile(r"^(https?://)([^/\[\]@]*:[^/\[\]@]*)(:\d+)(?=/|$)")


def bracketed(link: str) -> str:
    """A link with its IPv6 address in brackets, without which no browser tells address and port apart: Dask has none.

    Examples
    --------
    >>> bracketed("http://::1:8787/status"), bracketed("http://host:8787/status")
    ('http://[::1]:8787/status', 'http://host:8787/status')
    """
    return _BARE.sub(r"\1[\2]\3", link)
