"""A headless Chromium, driven through its DevTools protocol over two pipes; needs no driver and no Python package.

    with Browser() as browser:
        browser.open(path)
        browser.run("document.title")
"""

import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

PATIENCE = 60  # seconds; a page of 64 nodes is drawn in one or two


def installed():
    return shutil.which("chromium")


class Browser:
    def __init__(self, width=1200, height=900, dark=False, may_load="file:"):
        self.may_load = may_load  # how the addresses begin that pages may load from
        self.troubles = []  # what the pages wrote to the console, threw, alerted or tried to load
        self.asked = 0
        self.folder = tempfile.TemporaryDirectory(prefix="kith-browser-", ignore_cleanup_errors=True)
        to_read, self.write_end = os.pipe()
        self.read_end, to_write = os.pipe()
        # The browser wants its pipes as 3 and 4; the sandbox of Chromium does not work for root, nor in containers.
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec chromium "$@" 3<&{to_read} 4>&{to_write}', "chromium", "--headless=new", "--no-sandbox",
             "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={self.folder.name}", "--no-first-run",
             "--remote-debugging-pipe", "about:blank"],
            pass_fds=(to_read, to_write), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.unread = b""
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.look(width, height, dark)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
            self.process.wait(20)
        except (OSError, EOFError, TimeoutError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.write_end)
        os.close(self.read_end)
        self.folder.cleanup()

    def call(self, method, **arguments):
        self.asked += 1
        message = {"id": self.asked, "method": method, "params": arguments}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.next_message()
            if answer.get("id") == self.asked:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def next_message(self):
        end = time.monotonic() + PATIENCE
        while b"\0" not in self.unread:
            if not select.select([self.read_end], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            piece = os.read(self.read_end, 1 << 16)
            if not piece:
                raise EOFError("the browser ended")
            self.unread += piece
        text, _, self.unread = self.unread.partition(b"\0")
        message = json.loads(text)
        self.note(message.get("method"), message.get("params", {}))
        return message

    def note(self, event, facts):
        if event == "Runtime.consoleAPICalled":
            self.troubles.append(f"console: {[argument.get('value') for argument in facts['args']]}")
        if event == "Runtime.exceptionThrown":
            self.troubles.append(f"exception: {facts['exceptionDetails'].get('exception', {}).get('description')}")
        if event == "Log.entryAdded":
            self.troubles.append(f"log: {facts['entry']['text']}")
        if event == "Page.javascriptDialogOpening":
            self.troubles.append(f"dialog: {facts['message']}")
        if event == "Network.requestWillBeSent" and not facts["request"]["url"].startswith((self.may_load, "data:")):
            self.troubles.append(f"request: {facts['request']['url']}")

    def look(self, width, height=900, dark=False):
        """The size of the window, in CSS pixels, and the colour scheme that the user prefers."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def open(self, file):
        """Opens a local file and waits until it has drawn itself."""
        self.visit(pathlib.Path(file).absolute().as_uri())

    def visit(self, url):
        """Opens an address likewise, in a page of its own: what was at the same address before is gone."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=url)
        self.wait(f"{url} to load", "document.readyState === 'complete' && location.href !== 'about:blank'")
        self.settle()

    def wait(self, what, condition, seconds=PATIENCE):
        """Until a JavaScript expression is true."""
        end = time.monotonic() + seconds
        while not self.run(condition):
            if time.monotonic() > end:
                raise TimeoutError(f"waited {seconds} s in vain for: {what}")
            time.sleep(0.02)

    def settle(self):
        """Two frames: what follows a change of size is drawn in the first."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def run(self, script):
        """The value of a JavaScript expression, awaited if it is a promise."""
        done = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in done:
            raise RuntimeError(done["exceptionDetails"].get("exception", {}).get("description", script))
        return done["result"].get("value")

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                      windowsVirtualKeyCode={"Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Escape": 27}[key])
        self.settle()

    def point(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settle()

    def screenshot(self, file):
        """The whole page as a PNG; to look at, not for tests."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        pathlib.Path(file).write_bytes(base64.b64decode(data))
