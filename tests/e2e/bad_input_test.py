"""What a person can get wrong: one clear sentence that says what to do, the right exit status, and nothing lost."""

import csv
import gzip
import json
import os
import shutil
import socket
import struct
import unittest

import testnet
from testnet import CONFIG, DATAERR, NOINPUT, NOPERM, TEMPFAIL, UNAVAILABLE, USAGE, Testnet, kith


def write_idx(path, shape, values):
    """The format of MNIST's files."""
    path.write_bytes(struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + bytes(values))


class BadInput(unittest.TestCase):
    """Each test breaks a copy of a node that has learnt for two rounds."""

    @classmethod
    def setUpClass(cls):
        settings = testnet.QUICK | {"learning.rounds": 2, "learning.gather": "0ms"}
        cls.net = cls.enterClassContext(Testnet(nodes=2, settings=settings))
        original = cls.net.nodes[0]
        original.start()
        cls.net.wait("two rounds", lambda: original.status()["phase"] == "finished", 60)
        assert original.stop() == 0
        original.configure({"learning.rounds": 0})

    def setUp(self):
        self.node = self.net.copy(self.net.nodes[0], self._testMethodName)
        data = self.net.directory / "net" / "data" / "node-1"
        self.data = self.net.directory / "net" / "data" / self._testMethodName
        shutil.copytree(data, self.data)
        files = {part: [str(self.data / f"{part}-{kind}.idx") for kind in ("images", "labels")] for part in ("train", "test")}
        self.node.configure({"data.train": files["train"], "data.test": files["test"]})

    def check_refused(self, status, *phrases, state_changes=False):
        """The node ends by itself, with a sentence that has these phrases, and its state is as it was."""
        before = self.node.state_hash()
        ended = self.node.run_to_end()
        sentence = ended.stderr.split("kith: ", 1)[-1]
        self.assertEqual(ended.returncode, status, ended.stderr)
        self.assertEqual(ended.stdout, "")
        self.assertEqual(ended.stderr.count("kith: "), 1, ended.stderr)
        self.assertEqual(sentence.strip().count("\n"), 0, "more than one line: " + ended.stderr)
        for phrase in phrases:
            self.assertIn(str(phrase), sentence)
        if not state_changes:
            self.assertEqual(self.node.state_hash(), before)
        return sentence

    def check_well(self):
        """Once the mistake is mended it goes on where it was: nothing was lost."""
        self.node.start()
        try:
            self.net.wait("another round", lambda: self.node.finished() >= 3, 30)
            self.assertEqual(self.node.events("opened")[0]["round"], 2)
        finally:
            self.node.stop()

    def test_a_copy_without_a_mistake_goes_on_from_its_state(self):
        self.check_well()

    # Configuration.

    def test_unknown_key(self):
        text = self.node.config_file.read_text()
        self.node.config_file.write_text(text.replace("[learning]", "[learning]\nrouns = 7"))
        self.check_refused(CONFIG, "learning.rouns", "learning.rounds", "kith.toml:")
        self.node.config_file.write_text(text)
        self.check_well()

    def test_value_out_of_range(self):
        text = self.node.config_file.read_text()
        self.node.config_file.write_text(text.replace("[learning]", "[learning]\nsmoothing = 7.5"))
        self.check_refused(CONFIG, "learning.smoothing", "from 0.01 to 1", "7.5")

    def test_not_toml(self):
        self.node.config_file.write_text("[node\nname = 1")
        self.check_refused(CONFIG, f"{self.node.config_file}:1:", "not TOML")

    def test_no_configuration(self):
        self.node.config_file.unlink()
        self.check_refused(NOINPUT, self.node.config_file, "kith init --dir")

    def test_a_card_of_another_node(self):
        theirs = self.net.nodes[1].directory / "node.card"
        self.node.configure({"node.card": str(theirs)})
        self.check_refused(CONFIG, theirs, "of another node", "kith key card")

    def test_no_charter(self):
        charter = self.node.directory / "charter.kith"
        charter.rename(self.data / "elsewhere")
        self.check_refused(NOINPUT, charter, "kith charter merge")
        (self.data / "elsewhere").rename(charter)
        self.check_well()

    def test_charter_cut_short(self):
        charter = self.node.directory / "charter.kith"
        whole = charter.read_bytes()
        charter.write_bytes(whole[:-1])
        ended = self.node.run_to_end()
        self.assertEqual(ended.returncode, NOINPUT, ended.stderr)
        self.assertIn("charter_damaged", ended.stderr)
        self.assertIn("kith charter merge FILE", ended.stderr)
        self.assertEqual(charter.with_name("charter.kith.damaged").read_bytes(), whole[:-1])
        charter.write_bytes(whole)
        self.check_well()

    def test_membership_that_is_no_json_is_set_aside(self):
        membership = self.node.directory / "membership.json"
        membership.write_text("{")
        self.check_well()
        self.assertTrue(membership.with_name("membership.json.damaged").exists())
        self.assertEqual(len(self.node.events("membership_damaged")), 1)

    def test_no_worker(self):
        self.node.configure({"worker.command": "/nowhere/kith-worker"})
        self.check_refused(UNAVAILABLE, "/nowhere/kith-worker", "correct worker.command")

    # Keys.

    def test_key_file_that_others_can_read(self):
        keys = self.node.directory / "channel.key"
        keys.chmod(0o644)
        self.check_refused(NOPERM, keys, "chmod 600")
        keys.chmod(0o600)
        self.check_well()

    def test_no_key_file(self):
        (self.node.directory / "channel.key").unlink()
        self.check_refused(NOINPUT, self.node.directory / "channel.key")

    def test_damaged_key_file(self):
        keys = self.node.directory / "channel.key"
        keys.write_bytes(b"not a key")
        self.assertEqual(keys.stat().st_mode & 0o777, 0o600)
        self.check_refused(DATAERR, keys)

    # Data.

    def test_no_data(self):
        images = self.data / "train-images.idx"
        images.rename(self.data / "elsewhere")
        self.check_refused(NOINPUT, images, "data.train")
        (self.data / "elsewhere").rename(images)
        self.check_well()

    def test_data_of_another_shape_than_the_task(self):
        images = self.data / "train-images.idx"
        write_idx(images, (60, 14, 14), bytes(60 * 14 * 14))
        self.check_refused(DATAERR, images, "1 x 14 x 14", "1 x 28 x 28", "convert the images")

    def test_other_number_of_labels_than_images(self):
        write_idx(self.data / "train-labels.idx", (59,), bytes(59))
        self.check_refused(DATAERR, self.data, "59", "60")

    def test_label_beyond_the_classes(self):
        write_idx(self.data / "train-labels.idx", (60,), [*range(10)] * 5 + [12] * 10)
        self.check_refused(DATAERR, self.data / "train-labels.idx", "label 12", "0 to 9", "correct the labels")

    def test_data_that_are_not_idx(self):
        (self.data / "train-images.idx").write_text("label,pixel1,pixel2\n")
        self.check_refused(DATAERR, self.data / "train-images.idx", "IDX")

    def test_data_cut_short(self):
        images = self.data / "train-images.idx"
        images.write_bytes(gzip.compress(images.read_bytes())[:-100])
        self.check_refused(DATAERR, images)

    # Predictions.

    def test_predictions_are_as_good_as_the_evaluation_says_and_what_is_wrong_leaves_no_file(self):
        images, labels, out = self.data / "test-images.idx", self.data / "test-labels.idx", self.data / "said.csv"
        place = ("--dir", self.node.directory)
        done = kith("predict", images, *place, "--output", out, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(out) as file:
            said = [int(row["predicted"]) for row in csv.DictReader(file)]
        truth = labels.read_bytes()[8:]
        self.assertEqual(json.loads(done.stdout)["rows"], len(truth))
        accuracy = sum(a == b for a, b in zip(said, truth, strict=True)) / len(truth)
        judged = json.loads(kith("evaluate", images, labels, *place, "--json").stdout)["served"]
        self.assertAlmostEqual(accuracy, judged["accuracy"], places=9)
        self.assertEqual(kith("predict", images, labels, *place).stdout, out.read_text())  # labels do not count

        def refused(status, phrase, *arguments):
            before = sorted(self.data.iterdir())
            done = kith("predict", *arguments, *place)
            self.assertEqual(done.returncode, status, done.stderr)
            self.assertIn(phrase, done.stderr)
            self.assertEqual(done.stdout, "")
            self.assertEqual(sorted(self.data.iterdir()), before)

        written = out.read_bytes()
        refused(73, "exists already; move it away", images, "--output", out)
        self.assertEqual(out.read_bytes(), written)
        new = self.data / "new.csv"
        refused(DATAERR, "holds no images", labels, "--output", new)
        refused(NOINPUT, "check the path", self.data / "none.idx", "--output", new)
        refused(USAGE, "--output", images, "--json")
        write_idx(self.data / "small.idx", (2, 14, 14), bytes(2 * 14 * 14))
        refused(DATAERR, "convert the images", self.data / "small.idx", "--output", new)

    # State.

    def test_damaged_checkpoint(self):
        checkpoint = self.node.state / "checkpoint.safetensors"
        content = bytearray(checkpoint.read_bytes())
        content[len(content) // 2] ^= 1
        checkpoint.write_bytes(content)
        self.check_refused(DATAERR, checkpoint, "damaged", "move it away")

    def test_checkpoint_cut_short(self):
        checkpoint = self.node.state / "checkpoint.safetensors"
        os.truncate(checkpoint, 1000)
        self.check_refused(DATAERR, checkpoint, "damaged", "move it away")

    def test_damaged_database(self):
        database = self.node.state / "kith.sqlite"
        content = bytearray(database.read_bytes())
        content[:16] = b"not a database.."
        database.write_bytes(content)
        self.check_refused(DATAERR, database, "damaged", "restore its directory from a backup")

    def test_database_with_damaged_pages(self):
        database = self.node.state / "kith.sqlite"
        content = bytearray(database.read_bytes())
        content[4096:] = os.urandom(len(content) - 4096)
        database.write_bytes(content)
        self.check_refused(DATAERR, database, "damaged", "restore its directory from a backup")

    def test_state_of_another_task(self):
        self.node.configure({"task.seed": 99})
        self.check_refused(CONFIG, self.node.state, "another task", "kith task accept")
        self.node.configure({"task.seed": testnet.SEED})
        self.check_well()

    def test_second_kith_on_the_same_state(self):
        self.node.start()
        try:
            self.net.wait("it answers", self.node.status, 30)
            pid = self.node.process.pid
            self.check_refused(TEMPFAIL, f"pid {pid}", "stop it first", state_changes=True)
            self.net.wait("the first goes on", lambda: self.node.finished() >= 4, 30)
        finally:
            self.assertEqual(self.node.stop(), 0)

    # The machine.

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", self.node.port)):
            self.check_refused(UNAVAILABLE, f"127.0.0.1:{self.node.port}", "node.listen", state_changes=True)
        self.check_well()


if __name__ == "__main__":
    testnet.main()
