import pytest

from akkordeon_dask.runtime.cluster._links import bracketed


@pytest.mark.parametrize(
    ("link", "wanted"),
    [
        ("http://::1:8787/status", "http://[::1]:8787/status"),
        ("https://fe80::1%eth0:8787", "https://[fe80::1%eth0]:8787"),
        ("http://[::1]:8787/status", "http://[::1]:8787/status"),
        ("http://127.0.0.1:8787/status", "http://127.0.0.1:8787/status"),
        ("http://host:8787/::1", "http://host:8787/::1"),
        ("/proxy/8787/status", "/proxy/8787/status"),
        ("", ""),
    ],
)
def test_an_ipv6_address_has_brackets_and_nothing_else_changes(link, wanted):
    assert bracketed(link) == wanted
