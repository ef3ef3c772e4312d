"""kith demo: what it prints, and that it leaves nothing behind, however it ends."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

import testnet
from testnet import INTERRUPTED, KITH, NOINPUT, SEED, USAGE, kith, process_name, processes_in

NODES = 4
SMALL = ["demo", "--nodes", str(NODES), "--groups", "2", "--rounds", "4", "--images", "60", "--test-images", "100",
         "--seed", str(SEED)]  # fmt: skip


class Demo(unittest.TestCase):
    def setUp(self):
        # The demo makes its own temporary folder: here, where nobody else has one.
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="kith-e2e-")))
        self.environment = os.environ | {"TMPDIR": str(self.folder)}

    def check_nothing_left(self, workers=()):
        end = time.monotonic() + 5
        left = processes_in(self.folder)
        while time.monotonic() < end and (left or any(process_name(pid) == "kith-worker" for pid in workers)):
            time.sleep(0.05)
            left = processes_in(self.folder)
        self.assertEqual(left, [])
        self.assertEqual([pid for pid in workers if process_name(pid) == "kith-worker"], [])

    def test_json(self):
        done = kith(*SMALL, "--json", env=self.environment, seconds=120)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        outcome = json.loads(done.stdout)
        self.assertEqual(outcome["good"], done.returncode == 0)
        self.assertEqual([outcome[key] for key in ("seed", "rounds", "images", "test_images")], [SEED, 4, 60, 100])
        self.assertEqual([(node["name"], node["group"]) for node in outcome["nodes"]],
                         [("node-1", 0), ("node-2", 1), ("node-3", 0), ("node-4", 1)])  # fmt: skip
        for row in [*outcome["nodes"], outcome["mean"]]:
            for column in ("alone", "global", "kith", "oracle"):
                self.assertTrue(0 < row[column] <= 1, f"{column}: {row[column]}")
        for node in outcome["nodes"]:
            self.assertLessEqual(set(node["partners"]), {other["name"] for other in outcome["nodes"]} - {node["name"]})
        for column in ("alone", "global", "kith", "oracle"):
            mean = sum(node[column] for node in outcome["nodes"]) / NODES
            self.assertAlmostEqual(outcome["mean"][column], mean)
        for key in ("found_groups", "beats_alone", "matches_oracle"):
            self.assertIsInstance(outcome[key], bool)
        self.assertIsInstance(outcome["worse_than_alone"], list)
        self.assertEqual(outcome["good"], outcome["found_groups"] and outcome["beats_alone"]
                         and outcome["matches_oracle"] and not outcome["worse_than_alone"])  # fmt: skip
        self.assertTrue(-1 <= outcome["rand_index"] <= 1)
        self.assertGreater(outcome["bytes"], 4 * NODES * 10_000)
        self.assertGreater(outcome["seconds"], 0)
        self.check_nothing_left()
        self.assertEqual(list(self.folder.iterdir()), [], "a temporary folder is left")

    def start(self):
        """A demo in a process group of its own, as a shell would make it, that has got as far as learning."""
        demo = subprocess.Popen(
            [KITH, *SMALL], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, process_group=0, preexec_fn=testnet.end_with_parent,
        )  # fmt: skip
        self.addCleanup(self.end, demo)
        nodes = []
        end = time.monotonic() + 30
        while len(nodes) < NODES and time.monotonic() < end:
            time.sleep(0.02)
            nodes = [testnet.Node(socket.parent) for socket in self.folder.glob("*/lia/*/control.sock")]
        self.assertEqual(len(nodes), NODES, "the demo does not start")
        workers = [node.status()["worker_pid"] for node in nodes]
        self.assertEqual([process_name(pid) for pid in workers], ["kith-worker"] * NODES)
        self.assertEqual(len(processes_in(self.folder)), 2 * NODES)  # each with its launcher
        return demo, workers

    @staticmethod
    def end(demo):
        if demo.poll() is None:
            demo.kill()
        demo.communicate()

    def test_control_c_leaves_no_process_and_no_folder(self):
        demo, workers = self.start()
        os.killpg(demo.pid, signal.SIGINT)
        _, errors = demo.communicate(timeout=10)
        self.assertEqual(demo.returncode, INTERRUPTED, errors)
        self.assertIn("kith: interrupted; nothing was left running", errors)
        self.assertEqual(processes_in(self.folder), [])
        self.check_nothing_left(workers)
        self.assertEqual(list(self.folder.iterdir()), [], "a temporary folder is left")

    def test_sigterm_of_the_demo_alone_leaves_no_process_and_no_folder(self):
        demo, workers = self.start()
        demo.terminate()
        demo.communicate(timeout=10)
        self.assertEqual(demo.returncode, INTERRUPTED)
        self.check_nothing_left(workers)
        self.assertEqual(list(self.folder.iterdir()), [], "a temporary folder is left")

    def test_even_kill_9_leaves_no_process(self):
        demo, workers = self.start()
        demo.kill()
        demo.communicate()
        self.check_nothing_left(workers)

    def test_a_plan_that_cannot_be(self):
        for plan in (["--nodes", "1"], ["--groups", "9"], ["--images", "3"], ["--images", "60000"], ["--rounds", "0"]):
            done = kith("demo", *plan, env=self.environment)
            self.assertEqual(done.returncode, USAGE, done.stderr)
            self.assertEqual(done.stderr.count("kith: "), 1)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_without_the_data_set(self):
        done = kith("demo", "--data", self.folder, env=self.environment)
        self.assertEqual(done.returncode, NOINPUT)
        self.assertIn("install Debian's package dataset-fashion-mnist, or give --data", done.stderr)
        self.assertEqual(list(self.folder.iterdir()), [])


if __name__ == "__main__":
    testnet.main()
