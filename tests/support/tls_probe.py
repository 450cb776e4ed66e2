"""Clients and strangers that try to connect to a cluster with TLS, and the outcome of each try; see `main`."""

import asyncio
import json
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import click
from distributed import Client, Security
from distributed.comm import connect

from tests.support.multi_machine_user import security
from tests.support.patience import scaled_seconds

SECONDS = scaled_seconds(3)
"""That a stranger tries."""


class Bare(Security):
    """Speaks TLS, but has no certificate."""

    def get_connection_args(self, role: str) -> dict[str, Any]:
        context = ssl.create_default_context(cafile=self.tls_ca_file)
        context.check_hostname = False
        return {"ssl_context": context, "require_encryption": True}


async def _as_client(address: str, identity: Security) -> None:
    async with Client(address, security=identity, timeout=SECONDS, asynchronous=True):
        pass


async def _as_peer(address: str, identity: Security) -> None:
    """Ask a server for something, as a worker would."""
    comm = await connect(address, timeout=SECONDS, **identity.get_connection_args("client"))
    await comm.write({"op": "identity"})
    await comm.read()
    await comm.close()


async def _try(who: str, knock: Any, address: str, identity: Security) -> dict[str, object]:
    begin = time.monotonic()
    error = None
    try:
        await asyncio.wait_for(knock(address, identity), 3 * SECONDS)
    except Exception as refused:
        error = f"{type(refused).__name__}: {refused}"
    return {"who": who, "door": f"{knock.__name__} {address}", "error": error, "seconds": time.monotonic() - begin}


async def _all(scheduler: str, worker: str, ours: Path, theirs: Path) -> list[dict[str, object]]:
    ca = str(ours / "ca.pem")
    foreign = {"tls_client_cert": str(theirs / "cert.pem"), "tls_client_key": str(theirs / "key.pem")}
    visitors = {
        "member": security(ours),
        "without a certificate": Bare(tls_ca_file=ca),
        "of another authority": Security(require_encryption=True, tls_ca_file=ca, **foreign),
        "in plain text": Security(),
    }
    tries = []
    for who, identity in visitors.items():
        for knock, address in ((_as_client, scheduler), (_as_peer, scheduler), (_as_peer, worker)):
            spoken = (
                address if identity.require_encryption or isinstance(identity, Bare) else address.replace("tls", "tcp")
            )
            tries.append(_try(who, knock, spoken, identity))
    return await asyncio.gather(*tries)


def main() -> None:
    """`python -m tests.support.tls_probe SCHEDULER WORKER OURS THEIRS`: addresses, and folders with certificates."""
    scheduler, worker, ours, theirs = sys.argv[1:]
    click.echo(json.dumps(asyncio.run(_all(scheduler, worker, Path(ours), Path(theirs)))))


if __name__ == "__main__":
    main()
