"""A browser that nobody looks at, and what it shows."""

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.patience import PATIENCE
from tests.support.system_tools import give_up, need

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SMALL = (1280, 800)
"""Width and height of the smallest window that the page is made for."""

_ASKED = Path(__file__).with_name("html_page.js").read_text(encoding="utf-8")


def need_browser() -> None:
    """Go on where Chromium and Playwright are there; else skip the test, or fail it in CI."""
    if importlib.util.find_spec("playwright") is None:
        give_up("needs playwright: pip install -e .[test]")
    need("chromium", "chromium")


@contextmanager
def running_browser() -> Iterator["Browser"]:
    """The system's Chromium, without a window; it has ended afterwards."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        options = ["--no-sandbox", "--disable-background-networking"]
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        try:
            yield chromium
        finally:
            chromium.close()


class Tab:
    """A page of the dashboard in a browser of its own, and what went wrong in it."""

    def __init__(self, page: "Page", site: str) -> None:
        self.page = page
        self.wrong: list[str] = []
        """Errors in the console and in scripts, dialogs, and requests to others than the scheduler."""
        page.add_init_script(_ASKED)
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" else None)
        page.on("request", lambda asked: self._request(asked.url))
        page.on("dialog", self._dialog)
        self._site = site

    def _request(self, url: str) -> None:
        if not url.startswith((self._site, "data:")):
            self.wrong.append(f"request: {url}")

    def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def go(self, url: str) -> None:
        """Open a page, and wait until it is drawn."""
        self.page.goto(url)
        self.until("asked.ready()")

    def ask(self, script: str, *args: Any) -> Any:
        """The page's value of an expression; it refers to `args` by that name."""
        return self.page.evaluate(f"(args) => {script}", args)

    def until(self, script: str, *args: Any) -> None:
        """Wait until it holds in the page."""
        self.page.wait_for_function(f"(args) => {script}", arg=args, polling=100)

    def text(self, selector: str = "body") -> str:
        """The text that is seen, of the first element; waits for the element."""
        return self.page.locator(selector).first.inner_text()


@contextmanager
def tab(browser: "Browser", url: str, size: tuple[int, int] = SMALL) -> Iterator[Tab]:
    """A page, with cookies and a cache of its own; afterwards nothing has gone wrong in it."""
    width, height = size
    with browser.new_context(viewport={"width": width, "height": height}) as context:
        opened = Tab(context.new_page(), url[: url.index("/", len("http://"))])
        opened.go(url)
        yield opened
        assert opened.wrong == []
