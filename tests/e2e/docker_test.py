"""scripts/testnet with a real Docker engine.  Takes minutes, the image's build included: set KITH_TEST_DOCKER=1 to run it."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "testnet"
PROJECT = "kith-docker-test"
LABEL = f"label=com.docker.compose.project={PROJECT}"
NODES = [f"node-{i}" for i in range(1, 7)]
BUILD = 1800  # seconds: the first run compiles
RUN = 300


def skip(why):
    print("SKIPPED:", why)
    sys.exit(77)


def docker(*arguments, check=True):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=60)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}: {done.stderr}")
    return done.stdout.strip()


def left():
    """What the engine still has of ours."""
    return [line for what in (["ps", "--all"], ["volume", "ls"], ["network", "ls"])
            for line in docker(*what, "--quiet", "--filter", LABEL).splitlines()]


def container(service):
    return docker("ps", "--quiet", "--filter", LABEL, "--filter", f"label=com.docker.compose.service={service}")


def status(service):
    """What kith says in a container; nothing while it does not answer."""
    found = container(service)
    text = docker("exec", found, "kith", "status", "--json", check=False) if found else ""
    return json.loads(text) if text.startswith("{") else None


class Run:
    """A scripts/testnet; interrupted, if it still runs, when the block ends."""

    def __init__(self, *arguments):
        self.command = [SCRIPT, "--images", "40", "--test-images", "100", *arguments]

    def __enter__(self):
        environment = {**os.environ, "COMPOSE_PROJECT_NAME": PROJECT}
        self.process = subprocess.Popen(self.command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, start_new_session=True)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.interrupt()
            self.process.communicate(timeout=RUN)

    def interrupt(self):
        os.killpg(self.process.pid, signal.SIGINT)

    def finish(self, seconds=RUN):
        self.out, self.err = self.process.communicate(timeout=seconds)
        return self.process.returncode


class Testnet(unittest.TestCase):
    def wait(self, run, what, condition, seconds):
        end = time.monotonic() + seconds
        while not condition():
            if run.process.poll() is not None:
                run.finish()
                self.fail(f"it ended before {what}: {run.err}")
            self.assertLess(time.monotonic(), end, f"waited {seconds} s for {what}")
            time.sleep(0.5)

    def test_1_prints_the_comparison_and_leaves_nothing(self):
        with Run("--rounds", "2", "--json") as run:
            code = run.finish(BUILD)
            self.assertIn(code, (0, 1), run.err)
            table = json.loads(run.out)
        self.assertEqual([row["name"] for row in table["nodes"]], NODES)
        self.assertEqual(code, 0 if table["good"] else 1)
        self.assertEqual(left(), [])

    def test_2_nodes_are_confined_survive_a_kill_and_ctrl_c_leaves_nothing(self):
        with Run("--rounds", "1000") as run:
            self.wait(run, "two rounds", lambda: all((status(node) or {}).get("finished_round", 0) >= 2 for node in NODES), RUN)
            for node in NODES:
                facts = json.loads(docker("inspect", container(node)))[0]
                self.assertEqual(facts["Config"]["User"], "kith")
                self.assertTrue(facts["HostConfig"]["ReadonlyRootfs"])
                self.assertEqual(facts["HostConfig"]["CapDrop"], ["ALL"])
                self.assertGreater(facts["HostConfig"]["Memory"], 0)
                self.assertFalse(facts["HostConfig"]["PortBindings"])
                processes = docker("exec", container(node), "sh", "-c", "grep -l ^kith-worker /proc/[0-9]*/comm")
                filters = docker("exec", container(node), "grep", "Seccomp_filters", processes.replace("comm", "status"))
                self.assertEqual(filters.split()[-1], "2", "the engine's filter and the worker's own")

            victim, *others = NODES
            killed = container(victim)
            docker("kill", killed)
            before = {node: status(node)["finished_round"] for node in others}
            self.wait(run, "the others", lambda: all(status(node)["finished_round"] > before[node] + 2 for node in others), 60)
            docker("start", killed)
            self.wait(run, "the killed node", lambda: (status(victim) or {}).get("connected") == 5, 60)
            self.wait(run, "its health", lambda: docker("inspect", "--format", "{{.State.Health.Status}}", killed) == "healthy", 60)

            run.interrupt()
            self.assertEqual(run.finish(60), 130, run.err)
        self.assertEqual(left(), [])


if __name__ == "__main__":
    if not os.environ.get("KITH_TEST_DOCKER"):
        skip("it takes minutes; set KITH_TEST_DOCKER=1")
    if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True).returncode:
        skip("no Docker engine answers")
    unittest.main(verbosity=2)
