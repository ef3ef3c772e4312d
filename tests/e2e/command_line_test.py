"""The first minutes with kith, and stopping and starting it."""

import json
import os
import pathlib
import random
import signal
import tempfile
import time
import unittest

import testnet
from testnet import CONFIG, NOINPUT, SEED, UNAVAILABLE, USAGE, Testnet, kith

FOUNDED = {"kith.toml", "node.key", "node.key.signed", "channel.key", "node.card", "charter.kith"}
STOPS = 2  # seconds that a node may take to stop; the promise is 3


class NewNode(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="kith-e2e-"))) / "new"

    def check_sentence(self, done, status, *phrases):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\A(\S+Z INFO [^\n]+\n)*kith: [^\n]+\n\Z")
        for phrase in phrases:
            self.assertIn(str(phrase), done.stderr)

    def test_init_makes_a_folder_that_run_can_read_and_run_says_which_data_are_missing(self):
        made = kith("init", "--dir", self.folder, "--name", "alice", "--listen", "127.0.0.1:0")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertIn("the only steward", made.stdout)
        self.assertIn(f"kith run --dir {self.folder}", made.stdout)
        for key in ("node.key", "channel.key"):
            self.assertEqual((self.folder / key).stat().st_mode & 0o777, 0o600)
        started = kith("run", "--dir", self.folder)
        self.check_sentence(started, NOINPUT, self.folder / "train-images.idx", "data.train")

    def test_init_in_the_folder_where_it_stands(self):
        self.folder.mkdir()
        made = kith("init", cwd=self.folder)
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertEqual({file.name for file in self.folder.iterdir()}, FOUNDED)
        self.assertEqual(kith("run", cwd=self.folder).returncode, NOINPUT)

    def test_init_never_overwrites(self):
        self.assertEqual(kith("init", "--dir", self.folder).returncode, 0)
        before = {file.name: file.read_bytes() for file in self.folder.iterdir()}
        again = kith("init", "--dir", self.folder)
        self.check_sentence(again, 73, "kith.toml exists already", "--dir")
        self.assertEqual({file.name: file.read_bytes() for file in self.folder.iterdir()}, before)

    def test_asking_a_node_that_does_not_run(self):
        self.assertEqual(kith("init", "--dir", self.folder).returncode, 0)
        for verb in (["status"], ["peers"], ["status", "--json"], ["peers", "--json"], ["why", "node-2"]):
            self.check_sentence(kith(*verb, "--dir", self.folder), UNAVAILABLE, "kith run")

    def test_asking_where_there_is_no_node(self):
        for verb in ("status", "peers", "run"):
            self.check_sentence(kith(verb, "--dir", self.folder), NOINPUT, "kith init")

    def test_wrong_command_lines(self):
        for arguments in ([], ["rnu"], ["run", "--fast"], ["demo", "--nodes", "many"], ["testnet"]):
            done = kith(*arguments)
            self.assertEqual((done.returncode, done.stdout), (USAGE, ""), arguments)
            self.assertTrue(done.stderr.strip(), arguments)

    def test_names_that_are_not_utf8_are_refused_in_a_sentence_and_leave_nothing_behind(self):
        self.folder.mkdir()
        odd = b"caf\xe9"
        where = bytes(self.folder) + b"/" + odd
        for arguments in (
            [b"init", b"--dir", where],
            [b"init", b"--json", b"--dir", where],
            [b"init", b"--dir", b"here", b"--name", odd],
            [b"init", b"--dir", b"here", b"--consortium", odd],
            [b"init", b"--dir", b"here", b"--train", where],
            [b"init", b"--dir", b"here", b"--listen", odd + b":7700"],
            [b"join", b"-", b"--dir", where],
            [b"run", b"--dir", where],
            [b"run", b"--config", where],
            [b"status", b"--json", b"--config", where],
            [b"deny", odd],
            [b"invite", b"--for", odd],
            [b"key", b"show", where],
            [b"charter", b"merge", where],
            [b"charter", b"publish", b"--json", b"--out", where],
            [b"task", b"accept", where],
            [b"testnet", b"create", where],
            [b"simulate", where],
            [odd],
        ):
            with self.subTest(arguments):
                self.check_sentence(kith(*arguments, cwd=self.folder), USAGE, r"caf\xE9", "UTF-8")
                self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_folder_whose_name_is_not_utf8_is_none_for_a_node(self):
        folder = bytes(self.folder) + b"\xe9"
        pathlib.Path(os.fsdecode(folder)).mkdir()
        self.check_sentence(kith("init", cwd=folder), USAGE, r"new\xE9")
        self.assertEqual(os.listdir(folder), [])
        self.assertEqual(kith("--version", cwd="/").returncode, 0)

    def test_names_in_files_that_are_not_utf8_are_refused_with_the_line(self):
        self.assertEqual(kith("init", "--dir", self.folder).returncode, 0)
        file = self.folder / "kith.toml"
        file.write_bytes(file.read_bytes().replace(b"train-images.idx", b"caf\xe9.idx"))
        for verb in ("run", "status", "charter show"):
            self.check_sentence(kith(*verb.split(), "--dir", self.folder), CONFIG, f"{file}:", "utf-8")
        self.assertEqual({path.name for path in self.folder.iterdir()}, FOUNDED)


class RunningNode(unittest.TestCase):
    def test_status_and_peers_speak_to_people_and_to_programs(self):
        with Testnet(nodes=2, settings=testnet.QUICK) as net:
            net.start()
            net.wait_for_rounds(2, 60)
            node = net.nodes[0]
            status = json.loads(kith("status", "--json", "--dir", node.directory).stdout)
            self.assertEqual((status["name"], status["pid"], status["members"]), ("node-1", node.process.pid, 2))
            self.assertGreaterEqual(status["finished_round"], 2)
            for model in ("baseline", "partial", "averaged"):
                self.assertIn("accuracy", status["last_round"]["models"][model]["test"])
            net.wait("it is connected", lambda: node.peers()["node-2"]["connected"], 10)
            (peer,) = json.loads(kith("peers", "--json", "--dir", node.directory).stdout)
            self.assertEqual((peer["name"], peer["connected"], peer["trouble"]), ("node-2", True, None))
            shown = kith("status", "--dir", node.directory).stdout
            self.assertRegex(shown, r"accuracy +\d+\.\d % served, \d+\.\d % alone")
            self.assertRegex(kith("peers", "--dir", node.directory).stdout, r"node-2 +(connected|in cluster)")

    def test_why_shows_the_numbers_behind_a_peer(self):
        with Testnet(nodes=2, settings=testnet.QUICK) as net:
            net.start()
            node = net.nodes[0]
            net.wait("it answers", lambda: node.finished() > 0, 60)
            ask = lambda: json.loads(kith("why", "node-2", "--json", "--dir", node.directory).stdout)
            net.wait("a round that scored it is over", lambda: ask()["history"][-1]["rho"] is not None, 60)
            why = ask()
            self.assertEqual(why["name"], "node-2")
            self.assertGreater(why["opinion"]["newest"]["influence"]["examples"], 0)
            shown = kith("why", why["id"][:14], "--dir", node.directory)
            self.assertEqual(shown.returncode, 0, shown.stderr)
            self.assertRegex(shown.stdout, r"validation examples")
            nobody = kith("why", "node-3", "--dir", node.directory)
            self.assertEqual(nobody.returncode, USAGE)
            self.assertIn("the peers of this node are: node-2", nobody.stderr)

    def test_sigterm_at_any_moment_ends_it_soon_and_well_and_it_goes_on_where_it_was(self):
        chance = random.Random(SEED)
        settings = testnet.QUICK | {"learning.strategy": "fedavg", "learning.interval": "0ms"}
        with Testnet(nodes=3, settings=settings) as net:
            net.start()
            net.wait_for_rounds(1, 60)
            for turn in range(9):
                node = net.nodes[turn % 3]
                lives = len(node.events("opened"))
                net.wait("another life", lambda: node.finished() > 0, 30)
                time.sleep(chance.uniform(0, 0.3))
                start = time.monotonic()
                self.assertEqual(node.stop(), 0, f"{node.name} crashed")
                self.assertLess(time.monotonic() - start, STOPS)
                done = node.events("round_finished")[-1]["round"]
                node.start()
                net.wait("it opens its state", lambda: len(node.events("opened")) > lives, 30)
                self.assertIn(node.events("opened")[-1]["round"], (done, done + 1))
            for node in net.nodes:
                self.assertEqual(node.events("worker_lost"), [])

    def test_sigterm_while_it_waits_for_a_peer(self):
        settings = testnet.QUICK | {"learning.strategy": "fedavg", "learning.gather": "1h"}
        with Testnet(nodes=2, settings=settings) as net:
            node, hanging = net.nodes
            # A node waits for those in step with it, not for one that lags: so the one that hangs has a head start.
            hanging.start()
            net.wait_for_rounds(2, 60)
            node.start()
            # Rounds go on while they are not connected, and then it would not know that the other is in step.
            net.wait("it has a model of the other", lambda: node.peers()[hanging.name]["snapshot"], 60)
            hanging.process.send_signal(signal.SIGSTOP)
            try:
                net.wait("it gathers", lambda: node.status()["phase"] == "gathering", 30)
                time.sleep(0.5)
                self.assertEqual(node.status()["phase"], "gathering")
                start = time.monotonic()
                self.assertEqual(node.stop(), 0, f"{node.name} crashed")
                self.assertLess(time.monotonic() - start, STOPS)
            finally:
                hanging.process.send_signal(signal.SIGCONT)

    def test_sigterm_before_the_worker_has_opened_the_data(self):
        with Testnet(nodes=2, settings=testnet.QUICK) as net:
            node = net.nodes[0]
            for moment in (0.05, 0.1, 0.2, 0.4, 0.8):
                node.start()
                time.sleep(moment)
                start = time.monotonic()
                status = node.stop()
                # Before it has set up its signal handler the signal itself ends it: nothing has begun by then.
                self.assertIn(status, (0, -15) if moment < 0.1 else (0,))
                self.assertLess(time.monotonic() - start, STOPS)


if __name__ == "__main__":
    testnet.main()
