"""The backend for Firefox: WebDriver BiDi, which the ordinary browser speaks by itself.

Playwright's Firefox is a build of its own that a machine may not be able to get; this is the one
that people use.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.browser.engines import PATIENCE_MS
from tests.browser.websocket import Closed, WebSocket

NAMES = ("firefox-esr", "firefox")
START_S = 40.0
ANSWER_S = 30.0
KEYS = {"Enter": "\ue007", "Tab": "\ue004", "Escape": "\ue00c"}
#: Nothing that a fresh profile would fetch or ask by itself.
PREFERENCES: dict[str, bool | int | str] = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.getAddons.cache.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}
FIND = """const find = (root, selector) => {
  const found = root.querySelector(selector);
  if (found) return found;
  for (const one of root.querySelectorAll('*')) {
    const inner = one.shadowRoot && find(one.shadowRoot, selector);
    if (inner) return inner;
  }
};"""


def find_firefox() -> str | None:
    """An installed Firefox: `FIREFOX`, or one of the usual names on the path."""
    named = os.environ.get("FIREFOX")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


class Refused(Exception):
    """The browser's answer to a command is an error; the message is its own."""


class Connection:
    """Commands to a browser, and what it tells unasked."""

    def __init__(self, port: int) -> None:
        self.socket = WebSocket(port, "/session")
        self.last = 0
        self.told: list[dict[str, Any]] = []

    def do(self, method: str, **what: Any) -> Any:
        """A command's result. Raises `Refused` with the browser's words."""
        self.last += 1
        self.socket.send(json.dumps({"id": self.last, "method": method, "params": what}))
        late = time.monotonic() + ANSWER_S
        while True:
            message = json.loads(self.socket.receive(max(0.1, late - time.monotonic())))
            if message.get("id") == self.last:
                break
            self.told.append(message)
        if message["type"] == "error":
            raise Refused(f"{method}: {message['error']}: {message['message']}")
        return message["result"]

    def listen(self, seconds: float) -> None:
        """Takes in what the browser tells during this time."""
        late = time.monotonic() + seconds
        with suppress(TimeoutError):
            while (left := late - time.monotonic()) > 0:
                self.told.append(json.loads(self.socket.receive(left)))


class FirefoxPage:
    def __init__(self, connection: Connection, context: str) -> None:
        self.connection = connection
        self.context = context

    def go(self, url: str) -> None:
        self._do("browsingContext.navigate", url=url, wait="complete")

    def back(self) -> None:
        self._do("browsingContext.traverseHistory", delta=-1)

    def forward(self) -> None:
        self._do("browsingContext.traverseHistory", delta=1)

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """The value travels as JSON text, which is the same in both directions."""
        body = f"const made = ({script}); return typeof made == 'function' ? made(given) : made"
        whole = (
            f"async (text) => {{ const given = JSON.parse(text);"
            f" const value = await (async () => {{ {body} }})();"
            " return value === undefined ? 'null' : JSON.stringify(value) }"
        )
        text = self._call(whole, json.dumps(argument))["value"]
        return json.loads(text)

    def until(self, script: str, argument: Any = None) -> None:
        late = time.monotonic() + PATIENCE_MS / 1000
        problem = ""
        while True:
            try:
                if self.evaluate(script, argument):
                    return
            except Refused as error:  # the page went away meanwhile: ask the next one
                problem = str(error)
            if time.monotonic() > late:
                raise TimeoutError(f"never true: {script} {problem}")
            self.wait(0.03)

    def click(self, selector: str) -> None:
        element = self._element(selector)
        origin = {"type": "element", "element": {"sharedId": element}}
        steps = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self._act({"type": "pointer", "id": "mouse", "actions": steps})

    def type(self, selector: str, text: str) -> None:
        self.click(selector)
        for letter in text:
            self.press(letter)

    def press(self, key: str) -> None:
        value = KEYS.get(key, key)
        steps = [{"type": kind, "value": value} for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keyboard", "actions": steps})

    def show(self) -> None:
        """Brings the tab to the front; until then one that another covers is hidden."""
        self._do("browsingContext.activate")

    def wait(self, seconds: float) -> None:
        self.connection.listen(seconds)

    def _element(self, selector: str) -> str:
        function = f"(selector) => {{ {FIND} return find(document, selector) }}"
        late = time.monotonic() + PATIENCE_MS / 1000
        while not (found := self._call(function, selector)).get("sharedId"):
            if time.monotonic() > late:
                raise TimeoutError(f"no element {selector}")
            self.wait(0.03)
        return str(found["sharedId"])

    def _call(self, function: str, text: str) -> dict[str, Any]:
        outcome = self.connection.do(
            "script.callFunction",
            functionDeclaration=function,
            awaitPromise=True,
            target={"context": self.context},
            arguments=[{"type": "string", "value": text}],
            userActivation=False,
        )
        if outcome["type"] == "exception":
            raise Refused(outcome["exceptionDetails"]["text"])
        result: dict[str, Any] = outcome["result"]
        return result

    def _act(self, source: dict[str, Any]) -> None:
        self._do("input.performActions", actions=[source])

    def _do(self, method: str, **what: Any) -> Any:
        return self.connection.do(method, context=self.context, **what)


class FirefoxVisitor:
    """A container of its own: Firefox keeps its cookies and storage apart."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.container = str(connection.do("browser.createUserContext")["userContext"])
        self.tabs: set[str] = set()

    @property
    def errors(self) -> list[str]:
        said = [
            one["params"] for one in self.connection.told if one.get("method") == "log.entryAdded"
        ]
        return [
            one["text"]
            for one in said
            if one["type"] == "javascript"
            and one["level"] == "error"
            and one["source"].get("context") in self.tabs
        ]

    def new_page(self) -> FirefoxPage:
        made = self.connection.do("browsingContext.create", type="tab", userContext=self.container)
        self.tabs.add(made["context"])
        return FirefoxPage(self.connection, made["context"])

    def cookies(self) -> list[dict[str, Any]]:
        partition = {"type": "storageKey", "userContext": self.container}
        found: list[dict[str, Any]] = self.connection.do("storage.getCookies", partition=partition)[
            "cookies"
        ]
        return found

    def close(self) -> None:
        """With its tabs, as they would be closed by their owner."""
        self.connection.do("browser.removeUserContext", userContext=self.container)


class Firefox:
    """A running Firefox."""

    name = "firefox"

    def __init__(self, port: int) -> None:
        self.connection = Connection(port)
        self.version = self.connection.do("session.new", capabilities={})["capabilities"][
            "browserVersion"
        ]
        self.connection.do("session.subscribe", events=["log.entryAdded"])

    def new_visitor(self) -> FirefoxVisitor:
        self.connection.told.clear()
        return FirefoxVisitor(self.connection)

    def close(self) -> None:
        with suppress(Closed, OSError, Refused):
            self.connection.do("browser.close")
        self.connection.socket.close()


@contextmanager
def run_firefox(program: str, profile: Path) -> Iterator[Firefox]:
    """A Firefox without a window and with a fresh profile in the folder."""
    lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in PREFERENCES.items())
    (profile / "user.js").write_text("".join(lines), "utf-8")
    log = profile / "stderr.txt"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [program, "--headless", "--remote-debugging-port=0", "--profile", str(profile)],
            stdout=said,
            stderr=said,
            env=os.environ | {"MOZ_CRASHREPORTER_DISABLE": "1"},
        )
    try:
        firefox = Firefox(_port(process, log))
        try:
            yield firefox
        finally:
            firefox.close()
    finally:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    late = time.monotonic() + START_S
    while time.monotonic() < late and process.poll() is None:
        found = re.search(r"WebDriver BiDi listening on ws://127\.0\.0\.1:(\d+)", log.read_text())
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise RuntimeError(f"Firefox did not start: {log.read_text()[-500:]}")
