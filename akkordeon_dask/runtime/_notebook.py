"""A running network as HTML, for notebooks: the state that the client has, without a request to anybody."""

import html
from urllib.parse import quote

from distributed import Client
from distributed.comm import get_address_host
from distributed.utils import format_dashboard_link

from akkordeon_dask._html import html_table
from akkordeon_dask.runtime._session import Session
from akkordeon_dask.runtime.cluster._links import bracketed
from akkordeon_dask.runtime.handles._attached_handle import Attached
from akkordeon_dask.telemetry import scores_text

__all__ = ["page_link", "running_html"]

_STATUS = "status"
"""Dask's own page, to which its link to the dashboard leads."""


def running_html(session: Session, *, owner: bool) -> str:
    """State, gates with their workers, and sentinels with the newest pass of each."""
    title = f"<b>{html.escape(session.name)}</b>: {html.escape(_state(session))}, " + ("owner" if owner else "guest")
    link = page_link(session.client, session.name)
    if link and not session.closed:
        title += f' · <a href="{html.escape(link)}" target="_blank">dashboard</a>'
    gates = html_table(("gate", "worker"), ((gate.name, gate.worker) for gate in session.gates))
    rows = [_row(attached) for attached in list(session.sentinels.values())]
    columns = ("sentinel", "mode", "worker", "state", "pass", "loss", "scores", "samples/s")
    sentinels = html_table(columns, rows, ("pass", "loss", "samples/s")) if rows else "<p>no sentinels</p>"
    return f"<div>{title}\n{gates}\n{sentinels}</div>"


def _state(session: Session) -> str:
    if session.closed:
        return "closed"
    return "running" if session.error is None else f"failed, {session.error}"


def _row(attached: Attached) -> tuple[str, ...]:
    state = attached.state if attached.error is None else "failed"
    begin = attached.name, attached.sentinel.mode, attached.worker, state
    if not attached.reports:
        return (*begin, *[""] * 4)
    newest = attached.reports[-1]
    return (*begin, str(newest.epoch), f"{newest.loss:.6f}", scores_text(newest), f"{newest.samples_per_s:,.0f}")


def page_link(client: Client, network: str) -> str:
    """The network's page on the scheduler's dashboard; empty where no dashboard is known."""
    link = _dashboard(client)
    return f"{link.removesuffix(_STATUS)}akkordeon?network={quote(network, safe='')}" if link else ""


def _dashboard(client: Client) -> str:
    if client.cluster is not None:
        return bracketed(str(client.cluster.dashboard_link or ""))
    # `client.dashboard_link` would ask the scheduler.
    identity = client._scheduler_identity
    port = identity.get("services", {}).get("dashboard")
    if not port:
        return ""
    return bracketed(format_dashboard_link(get_address_host(identity["address"]), port))
