"""One task from several members' drafts: what each site drafts from its own files becomes a task that all of them can learn."""

import json
import pathlib
import random
import socket
import tempfile
import time
import tomllib
import unittest

import testnet
from testnet import CONFIG, DATAERR, USAGE


def sheet(seed, rows, classes, ages, ward):
    draw = random.Random(seed)
    lines = ["age,ward,beat"]
    for row in range(rows):
        lines.append(f"{draw.uniform(*ages):.1f},{ward if row % 2 else 'A'},{classes[row % len(classes)]}")
    return "\n".join(lines) + "\n"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Drafts(testnet.Verbs):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="kith-e2e-")))
        for name, text in {
            "a": sheet(1, 200, "NA", (20, 80), "B"),
            "b": sheet(2, 200, "NV", (1, 16), "C"),
            "c": sheet(3, 200, "N", (30, 90), "D"),  # of one class
        }.items():
            (self.folder / f"{name}.csv").write_text(text)

    def draft(self, name, *options):
        file = self.folder / f"{name}.toml"
        said = self.done("task", "draft", self.folder / f"{name}.csv", "--name", "beats", "--target", "beat", "--out", file, *options)
        return file, said

    def init(self, name, task, status=0):
        return self.done("init", "--dir", self.folder / name, "--name", name, "--listen", "127.0.0.1:7799", "--task", task,
                         "--train", self.folder / f"{name}.csv", status=status)  # fmt: skip

    def test_the_drafts_of_all_sites_make_one_task_that_each_of_them_can_run(self):
        drafts = [self.draft(name)[0] for name in "abc"]
        task = self.folder / "task.toml"
        said = self.done("task", "merge", *drafts, "--out", task)
        self.assertIn("Merged 3 drafts into", said)
        self.assertIn("predicts beat (3 classes) from 2 of 3 columns", said)
        columns = {column["name"]: column for column in tomllib.loads(task.read_text())["task"]["column"]}
        self.assertEqual(columns["beat"]["values"], ["A", "N", "V"])
        self.assertEqual(columns["ward"]["values"], ["A", "B", "C", "D"])
        self.assertLessEqual(columns["age"]["low"], 2)
        self.assertGreaterEqual(columns["age"]["high"], 88)
        again = json.loads(self.done("task", "merge", *reversed(drafts), "--json"))
        self.assertEqual(again["task"], task.read_text())
        for name in "abc":
            said = self.init(name, task)
            self.assertRegex(said, r"Data: \d+ examples to train on")
            self.done("run", "--dir", self.folder / name, "--dry-run")
        self.assertIn("exists already", self.done("task", "merge", *drafts, "--out", task, status=73))

    def test_init_refuses_a_class_that_the_task_does_not_know_and_says_what_mends_it(self):
        task, _ = self.draft("a")
        why = self.init("b", task, status=DATAERR)
        self.assertIn('line 3 has "V" in the column beat, which is none of its declared values', why)
        self.assertIn("kith task merge", why)
        self.assertIn("no node was made", why)
        self.assertFalse((self.folder / "b" / "kith.toml").exists())
        self.assertFalse((self.folder / "b" / "charter.kith").exists())
        both = self.folder / "both.toml"
        self.done("task", "merge", task, self.draft("b")[0], "--out", both)
        self.assertIn("Start the node", self.init("b", both))  # the same line, once it is mended

    def test_join_says_that_run_would_refuse_a_class_and_what_mends_it(self):
        task, _ = self.draft("a")
        port = free_port()
        a, b = self.folder / "a", self.folder / "b"
        self.done("init", "--dir", a, "--name", "a", "--listen", f"127.0.0.1:{port}", "--task", task, "--train", self.folder / "a.csv")
        founder = testnet.Node(a)
        founder.start()
        try:
            self.done("invite", "--dir", a, "--for", "b", "--out", self.folder / "b.invite")
            there = ["--dir", b, "--name", "b", "--listen", f"127.0.0.1:{free_port()}", "--train", self.folder / "b.csv"]
            end = time.monotonic() + 60
            while testnet.kith("join", self.folder / "b.invite", "--once", *there).returncode == testnet.TEMPFAIL:
                pending = json.loads(self.done("pending", "--dir", a, "--json"))
                if pending and pending[0]["state"] == "applied":
                    break
                self.assertLess(time.monotonic(), end, "it does not apply")
                time.sleep(0.5)
            self.done("approve", "--dir", a, "b", "--id", pending[0]["id"])
            said = self.done("join", "--dir", b)
        finally:
            founder.stop()
        self.assertRegex(said, r'Data: REFUSED, and so kith run would not start: .*line 3 has "V" in the column beat.*kith task merge')
        self.assertIn("Then start the node", said)

    def test_a_site_with_one_class_drafts_its_part_and_is_told_that_it_is_one(self):
        task, said = self.draft("c")
        self.assertIn("merge it with the drafts of members who have others", said)
        self.assertIn('only the class "N" was seen', task.read_text().replace("\n# ", " "))
        self.assertIn("kith task merge", self.init("c", task, status=CONFIG))
        self.assertIn("same one class", self.done("task", "merge", task, "--json", status=DATAERR))

    def test_drafts_that_cannot_be_one_are_refused_with_their_names(self):
        a, _ = self.draft("a")
        other = self.folder / "other.toml"
        other.write_text(a.read_text().replace('name = "beats"', 'name = "beats"\nbatch = 8'))
        self.assertIn("batch differs between a.toml and other.toml", self.done("task", "merge", a, other, status=DATAERR))
        self.assertIn("named twice", self.done("task", "merge", a, a, status=USAGE))
        other.write_text("[task]\nname = 'x'\nsizzes = [1]\n")
        self.assertIn("did you mean task.sizes", self.done("task", "merge", a, other, status=CONFIG))

    def test_texts_of_all_sites_have_one_vocabulary(self):
        for name, rows in {"a": ["good film,good", "bad film,bad"], "b": ["guter film,gut", "bad film,bad"]}.items():
            (self.folder / f"{name}.csv").write_text("text,label\n" + "\n".join(rows * 40) + "\n")
            self.done("task", "draft", self.folder / f"{name}.csv", "--name", "films", "--out", self.folder / f"{name}.toml")
        drafts = [self.folder / "a.toml", self.folder / "b.toml"]
        self.assertIn("--out", self.done("task", "merge", *drafts, status=USAGE))
        out = self.folder / "all.toml"
        self.assertIn("every member needs that file", self.done("task", "merge", *drafts, "--out", out))
        self.assertEqual(set((self.folder / "all-words.txt").read_text().split()), {"film", "bad", "good", "guter"})
        self.assertEqual(tomllib.loads(out.read_text())["task"]["labels"], ["bad", "good", "gut"])
        self.init("b", out)


if __name__ == "__main__":
    testnet.main()
