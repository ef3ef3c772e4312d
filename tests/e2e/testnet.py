"""Real kith processes on loopback, for the end-to-end tests.

    with Testnet(nodes=4, groups=2) as net:
        net.start()
        net.wait("a round", lambda: all(node.finished() >= 1 for node in net.nodes), 30)

However the block ends, nothing is left running and no folder is left behind; if it fails, the seed and the ends of all
logs are printed.  The environment variable KITH names the program; KITH_E2E_SEED changes the seed.
"""

import ctypes
import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import unittest

KITH = os.environ.get("KITH", "")
SEED = int(os.environ.get("KITH_E2E_SEED", "1"))
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")

# sysexits.h
USAGE, DATAERR, NOINPUT, UNAVAILABLE, TEMPFAIL, NOPERM, CONFIG = 64, 65, 66, 69, 75, 77, 78
INTERRUPTED = 130

# For tests that are about processes and not about learning: rounds of a fraction of a second that never end.
QUICK = {
    "task.model": "mlp",
    "task.sizes": [32],
    "learning.epochs": 1,
    "learning.warmup_epochs": 1,
    "learning.rounds": 0,
    "learning.interval": "200ms",
}


def main():
    """Runs the tests of the calling file; exit status 77 if this machine cannot."""
    if not os.access(KITH, os.X_OK):
        sys.exit("set the environment variable KITH to the kith program; ctest does")
    if not DATA.is_dir():
        print(f"SKIPPED: Fashion-MNIST is not at {DATA}; install Debian's package dataset-fashion-mnist")
        sys.exit(77)
    unittest.main(verbosity=2)


# --- One node ------------------------------------------------------------------------------------


class Verbs(unittest.TestCase):
    """What the command line does."""

    def done(self, *arguments, status=0):
        """Runs `kith ARGUMENTS`; a failure must be one sentence, which is returned in place of the output."""
        made = kith(*arguments)
        self.assertEqual(made.returncode, status, f"kith {arguments}: {made.stdout}{made.stderr}")
        if status == 0:
            return made.stdout
        self.assertRegex(made.stderr, r"\Akith: [^\n]+\n\Z")
        return made.stderr


class Node:
    """A node's folder, and `kith run` in it when started."""

    def __init__(self, directory):
        self.directory = directory
        self.name = directory.name
        self.log = directory / "kith.log"
        self.process = None

    # Its configuration.

    @property
    def config_file(self):
        return self.directory / "kith.toml"

    def config(self):
        return tomllib.loads(self.config_file.read_text())

    def configure(self, settings):
        """Changes keys, named "section.key", in the kith.toml that kith wrote: it has a line for every key."""
        lines = self.config_file.read_text().splitlines()
        for path, value in settings.items():
            section, key = path.rsplit(".", 1)
            where = [i for i in range(lines.index(f"[{section}]"), len(lines)) if re.match(f"#?{key} = ", lines[i])]
            lines[where[0]] = f"{key} = {toml(value)}"
        self.config_file.write_text("\n".join(lines) + "\n")
        for path, value in settings.items():
            section, key = path.rsplit(".", 1)
            assert self.config()[section][key] == value, f"{path} is not {value} in {self.config_file}"

    @property
    def port(self):
        return int(self.config()["node"]["listen"][0].rsplit(":", 1)[1])

    @property
    def state(self):
        return self.directory / "state"

    def state_hash(self):
        """Of the name and content of every file in the state folder, but for the lock, which holds a process id."""
        total = hashlib.sha256()
        for file in sorted(path for path in self.state.rglob("*") if path.is_file() and path.name != "lock"):
            total.update(str(file.relative_to(self.state)).encode() + b"\0")
            total.update(hashlib.sha256(file.read_bytes()).digest())
        return total.hexdigest()

    # Its life.

    def start(self):
        assert not self.running(), f"{self.name} runs already"
        with open(self.log, "ab") as log:
            command = [KITH, "run", "--config", self.config_file]
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent
            )

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9, the way a power cut comes: without a word."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self, seconds=10):
        """SIGTERM.  Returns the exit status."""
        self.process.terminate()
        status = self.process.wait(seconds)
        self.process = None
        return status

    def run_to_end(self, seconds=30):
        """Runs it in the foreground, for when it is to fail.  Returns the finished process, with its stderr."""
        return kith("run", "--config", self.config_file, seconds=seconds)

    # What it says.

    def ask(self, target):
        """What the control socket answers.  OSError if nobody does."""
        folder = os.open(self.directory, os.O_PATH)  # the path of a socket must be short; this one is
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(f"/proc/self/fd/{folder}/control.sock")
                connection.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                reply = b"".join(iter(lambda: connection.recv(65536), b""))
        finally:
            os.close(folder)
        head, _, body = reply.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise OSError(f"{self.name} answers {target} with {reply[:200]!r}")
        return json.loads(body)

    def status(self):
        return self.ask("/v1/status")

    def finished(self):
        return self.status()["finished_round"]

    def peers(self):
        """By name."""
        return {peer["name"]: peer for peer in self.ask("/v1/peers")}

    def rounds(self, last):
        return self.ask(f"/v1/rounds?last={last}")

    def log_lines(self):
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    def events(self, name):
        """What it has logged under this name in all its lives, oldest first.  "at" is the time, in seconds."""
        found = []
        for line in self.log_lines():
            if f'"event":"{name}"' not in line:
                continue
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                continue  # it is being written, or was cut off by kill -9
            event["at"] = datetime.datetime.fromisoformat(event["time"]).timestamp()
            found.append(event)
        return found


def toml(value):
    return json.dumps(value)  # the same, for texts, numbers, truth values and lists of them


def end_with_parent():
    """In a child, before it becomes another program: not even kill -9 of the test leaves it running."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def kith(*arguments, seconds=60, **options):
    """Runs `kith ARGUMENTS` to its end."""
    command = [KITH, *(each if isinstance(each, bytes) else str(each) for each in arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL,
        preexec_fn=end_with_parent, **options,
    )  # fmt: skip


# --- Many ----------------------------------------------------------------------------------------


class Testnet:
    """What `kith testnet create` makes, with settings changed on every node."""

    def __init__(self, nodes, groups=1, images=60, test_images=100, settings=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kith-e2e-"))
        try:
            made = kith(
                "testnet", "create", self.directory / "net", "--nodes", nodes, "--groups", groups, "--images", images,
                "--test-images", test_images, "--seed", SEED, "--rounds", 1000,
            )  # fmt: skip
            if made.returncode != 0:
                raise AssertionError(f"kith testnet create: {made.stderr}")
            self.nodes = [Node(self.directory / "net" / "lia" / f"node-{i + 1}") for i in range(nodes)]
            for node in self.nodes:
                node.configure({"log.format": "json"} | (settings or {}))
        except BaseException:
            shutil.rmtree(self.directory)
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        try:
            if error is not None:
                self.print_logs()
            self.stop_all()
            if error is None:
                self.check_nothing_runs()
        finally:
            for node in self.nodes:
                if node.running():
                    node.kill()
            shutil.rmtree(self.directory, ignore_errors=True)

    def start(self):
        for node in self.nodes:
            node.start()

    def stop_all(self):
        for node in self.nodes:
            if node.running():
                node.process.terminate()
        for node in self.nodes:
            if node.running():
                node.stop()

    def copy(self, node, name):
        """Another folder with the same configuration, keys and state, beside it.  Not stopped by stop_all()."""
        directory = node.directory.parent / name
        shutil.copytree(node.directory, directory, ignore=shutil.ignore_patterns("*.sock", "kith.log"))
        return Node(directory)

    def wait(self, what, condition, seconds, may_end=None):
        """Returns once condition() is true.  Fails when time is up, or when a node has ended by itself, but this one."""
        end = time.monotonic() + seconds
        problem = None
        while True:
            for node in self.nodes:
                if node is not may_end and node.process and node.process.poll() is not None:
                    raise AssertionError(f"{node.name} ended with {node.process.returncode} before: {what}")
            try:
                if condition():
                    return
                problem = None
            except (OSError, KeyError) as error:  # a control socket that is not there yet, or a peer
                problem = error
            if time.monotonic() > end:
                raise AssertionError(f"waited {seconds} s in vain for: {what}" + (f" ({problem})" if problem else ""))
            time.sleep(0.01)

    def wait_for_rounds(self, count, seconds, nodes=None):
        """Until each of these nodes, or of those that run, has finished `count` more rounds."""
        nodes = nodes or [node for node in self.nodes if node.running()]
        before = {}

        def enough():
            for node in nodes:
                before.setdefault(node.name, node.finished())
            return all(node.finished() >= before[node.name] + count for node in nodes)

        self.wait(f"{count} more rounds of " + ", ".join(node.name for node in nodes), enough, seconds)

    def check_nothing_runs(self):
        """Fails if a worker of any node, in any of its lives, outlives its kith by more than a moment."""
        workers = {event["worker"] for node in self.nodes for event in node.events("opened")}
        end = time.monotonic() + 3
        while time.monotonic() < end and any(process_name(pid) == "kith-worker" for pid in workers):
            time.sleep(0.05)
        orphans = [pid for pid in workers if process_name(pid) == "kith-worker"]
        assert not orphans, f"workers outlive their kith: {orphans}"

    def print_logs(self):
        print(f"\nseed {SEED} (KITH_E2E_SEED repeats it); the ends of the logs:", file=sys.stderr)
        for node in self.nodes:
            print(f"--- {node.name}", *node.log_lines()[-15:], sep="\n", file=sys.stderr)


# --- Any process ---------------------------------------------------------------------------------


def process_name(pid):
    """None if there is no such process; a zombie counts as none."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name, rest = stat.split("(", 1)[1].rsplit(")", 1)
    return None if rest.split()[0] == "Z" else name


def processes_in(directory):
    """The nodes whose configuration is in this folder."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # no process, or one that has just ended
        if b"run" in arguments and any(argument.startswith(os.fsencode(directory)) for argument in arguments):
            found.append(int(entry.name))
    return found
