"""The first minutes with kith, stopping and starting it, and what helps those who look after it."""

import base64
import json
import os
import pathlib
import pty
import random
import re
import signal
import subprocess
import tarfile
import tempfile
import time
import unittest

import testnet
from testnet import CONFIG, KITH, NOINPUT, SEED, UNAVAILABLE, USAGE, Testnet, end_with_parent, kith

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


    def test_doctor_works_on_a_new_a_broken_and_a_missing_folder(self):
        self.assertEqual(kith("init", "--dir", self.folder, "--name", "alice", "--listen", "127.0.0.1:0").returncode, 0)
        found = self.diagnosis(1)  # it has no data yet
        self.assertEqual([name for name in ("folder", "configuration", "channel key", "card", "charter", "worker") if found[name]["result"] != "PASS"], [])
        self.assertEqual(found["data"]["result"], "FAIL")
        (self.folder / "kith.toml").write_text("[node\n")
        (self.folder / "charter.kith").write_bytes(b"odd")
        (self.folder / "channel.key").chmod(0o644)
        found = self.diagnosis(1)
        self.assertEqual([name for name in ("configuration", "charter", "channel key") if found[name]["result"] != "FAIL"], [])
        self.assertEqual(found["node key"]["result"], "PASS")
        shown = kith("doctor", "--dir", self.folder / "nowhere")
        self.assertEqual((shown.returncode, shown.stderr), (1, ""))
        self.assertRegex(shown.stdout, r"(?m)^FAIL   3  folder: .+\n +-> .+$")

    def diagnosis(self, status):
        """What each check has found, by its name."""
        done = kith("doctor", "--json", "--dir", self.folder)
        self.assertEqual((done.returncode, done.stderr), (status, ""), done.stdout)
        checks = json.loads(done.stdout)["checks"]
        self.assertEqual([check["number"] for check in checks], list(range(1, len(checks) + 1)))
        self.assertTrue(all(bool(check["help"]) == (check["result"] != "PASS") for check in checks), checks)
        return {check["name"]: check for check in checks}


class Watched(unittest.TestCase):
    """Two nodes that learn, and what their operators ask."""

    @classmethod
    def setUpClass(cls):
        cls.net = cls.enterClassContext(Testnet(nodes=2, settings=testnet.QUICK))
        cls.net.start()
        cls.node = cls.net.nodes[0]
        cls.net.wait("rounds with the other", lambda: cls.node.finished() >= 2 and cls.node.status()["connected"] == 1, 60)

    def test_doctor_finds_a_running_node_well(self):
        done = kith("doctor", "--json", "--dir", self.node.directory)
        found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        well = ("clock", "configuration", "task", "control socket", "one kith here", "ports", "own addresses", "peers' addresses", "worker",
                "data", "versions", "peers' tasks", "memory")  # fmt: skip
        self.assertEqual({name: found[name]["what"] for name in well if found[name]["result"] != "PASS"}, {})
        self.assertEqual(done.returncode, 1 if any(check["result"] == "FAIL" for check in found.values()) else 0)
        self.assertIn(str(self.node.process.pid), found["control socket"]["what"])
        self.assertIn("1 of 1", found["peers' addresses"]["what"])

    def test_watch_shows_news_in_place_and_ends_with_ctrl_c(self):
        ours, theirs = pty.openpty()
        watch = subprocess.Popen([KITH, "status", "--watch", "--dir", self.node.directory], stdin=theirs, stdout=theirs, stderr=theirs,
                                 env=os.environ | {"TERM": "xterm"}, preexec_fn=end_with_parent)  # fmt: skip
        os.close(theirs)
        try:
            shown, end = "", time.monotonic() + 20
            while len(set(re.findall(r"round +(\d+) done", shown))) < 3 and time.monotonic() < end:
                shown += os.read(ours, 4096).decode(errors="replace")
            self.assertRegex(shown, r"\x1b\[\d+A")  # drawn over what was there
            self.assertGreaterEqual(len(set(re.findall(r"round +(\d+) done", shown))), 3)
            watch.send_signal(signal.SIGINT)
            self.assertEqual(watch.wait(5), 0)
        finally:
            watch.kill()
            watch.wait()
            os.close(ours)

    def test_watch_without_a_terminal_prints_plain_lines(self):
        watch = subprocess.Popen([KITH, "status", "--watch", "--dir", self.node.directory], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 text=True, preexec_fn=end_with_parent)  # fmt: skip
        self.assertIn("node-1", watch.stdout.readline())
        watch.send_signal(signal.SIGINT)
        rest = watch.stdout.read()
        self.assertEqual(watch.wait(5), 0)
        watch.stdout.close()
        self.assertNotIn("\x1b", rest)
        self.assertIn("charter", rest)

    def test_support_bundle_tells_what_happens_and_no_key_row_or_weight(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="kith-e2e-")))
        bundle = folder / "bundle.tar.gz"
        done = kith("support-bundle", bundle, "--log", self.node.log, "--dir", self.node.directory)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(bundle.stat().st_mode & 0o777, 0o600)
        with tarfile.open(bundle) as archive:
            files = {entry.name: archive.extractfile(entry).read() for entry in archive}
        self.assertEqual(set(files), {"about.json", "alarms.json", "audit.jsonl", "charter.json", "doctor.json", "history.json", "kith.toml", "limits.json",
                                      "log.jsonl", "peers.json", "rounds.json", "status.json", "task.toml"})  # fmt: skip
        self.assertGreaterEqual(len(json.loads(files["rounds.json"])), 2)
        self.assertIn(b"round_finished", files["log.jsonl"])
        self.assertEqual(json.loads(files["about.json"])["left_out"], {})
        secrets = {}
        for name in ("node.key", "channel.key"):
            # What a key file says of its owner, everybody may know: the seed is the line after it.
            lines = (self.node.directory / name).read_text().split()
            secrets[name] = [bytes.fromhex(word) for word in lines if re.fullmatch(r"[0-9a-f]{64}", word)][1]
        (checkpoint,) = self.node.state.glob("checkpoint.safetensors")
        secrets["weights"] = checkpoint.read_bytes()[-4096:]
        secrets["rows"] = (self.node.directory / self.node.config()["data"]["train"][0]).read_bytes()[16:][300:1100]
        everything = b"\n".join(files.values())
        self.assertEqual([name for name, secret in secrets.items() if self.is_in(everything, secret)], [])
        for form in self.forms(secrets["channel.key"]):
            self.assertTrue(self.is_in(everything + form, secrets["channel.key"]))  # the search does find
        again = kith("support-bundle", bundle, "--dir", self.node.directory)
        self.assertEqual(again.returncode, 73)

    def test_report_tells_those_who_decide_what_came_of_it_while_the_node_runs_and_after(self):
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="kith-e2e-")))
        page = folder / "report.html"
        done = kith("report", page, "--dir", self.node.directory)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(str(page), done.stdout)
        self.assertEqual(kith("report", page, "--dir", self.node.directory).returncode, 73)
        told = json.loads(kith("report", "--json", "--dir", self.node.directory).stdout)
        curve, rounds = told["curve"], self.node.rounds(1000)
        gains = [served - alone for served, alone in zip(curve["served"], curve["alone"])]
        self.assertGreaterEqual(told["cost"]["rounds"], 2)
        if curve["step"] == 1:
            self.assertAlmostEqual(curve["gain"]["mean"], sum(gains[-10:]) / len(gains[-10:]), 9)
        self.assertLess(curve["gain"]["low"], curve["gain"]["high"])
        self.assertEqual(curve["served"][0], rounds[0]["models"][rounds[0]["served"]]["test"]["accuracy"])
        self.assertGreater(told["cost"]["bytes_out"], 0)
        self.assertGreater(told["cost"]["seconds"]["train"], 0)
        self.assertGreaterEqual(told["audit"]["published"], 2)
        self.assertEqual(told["audit"]["fault"], "")
        self.assertEqual(len(told["audit"]["readers"]), 2)  # it can read its own
        self.assertIsInstance(told["alarms"], list)
        lines = kith("report", "--dir", self.node.directory).stdout
        self.assertRegex(lines, r"snapshots, each sealed to the members of then: node-2\n")
        for text in (lines, page.read_text()):
            for part in ("node-1", "node-2", "alone", "95 %", "What it cost", "What left the building", "What needs somebody", "never leave"):
                self.assertIn(part, text)
        self.assertNotIn("<script", page.read_text())
        # The same of a folder where no node runs.
        copy = self.net.copy(self.node, "stopped")
        asleep = json.loads(kith("report", "--json", "--dir", copy.directory).stdout)
        self.assertIsNone(asleep["alarms"])
        self.assertGreaterEqual(asleep["cost"]["rounds"], told["cost"]["rounds"])
        self.assertEqual(asleep["node"]["id"], told["node"]["id"])
        self.assertIn("does not run now", kith("report", "--dir", copy.directory).stdout)

    def forms(self, part):
        """Bytes as they are, in hexadecimal, and in base64 wherever they begin in it."""
        return [part, part.hex().encode()] + [base64.b64encode(part[begin : begin + (len(part) - begin) // 3 * 3]) for begin in range(3)]

    def is_in(self, where, secret):
        parts = [secret[at : at + 16] for at in range(0, len(secret) - 15, 16)]
        return any(form in where for part in parts if len(set(part)) > 4 for form in self.forms(part))


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
