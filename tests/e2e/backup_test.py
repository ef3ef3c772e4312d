"""A node in one file: backed up while it learns, restored as it was then, and believed by the others."""

import os
import pathlib
import re
import tempfile
import unittest
import zipfile

import testnet
from testnet import DATAERR, Node, Testnet, Verbs, kith

CANTCREAT = 73


class Backup(Verbs):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="kith-e2e-")))

    def test_a_node_restored_to_an_older_state_goes_on_and_signs_nothing_twice(self):
        with Testnet(nodes=2, settings=testnet.QUICK) as net:
            net.start()
            old, other = net.nodes
            net.wait("averaging with each other", lambda: old.peers()[other.name]["averaged"], 60)
            secret = self.folder / "passphrase"
            secret.write_text("open sesame\n")
            secret.chmod(0o600)
            backup = self.folder / "node.zip"
            with_passphrase = os.environ | {"KITH_PASSPHRASE_FILE": str(secret)}
            made = kith("backup", backup, "--with-keys", "--dir", old.directory, env=with_passphrase)
            self.assertEqual(made.returncode, 0, made.stderr)
            then = int(re.search(r"after round (\d+)", made.stdout)[1])
            self.assertEqual(backup.stat().st_mode & 0o777, 0o600)
            self.assertEqual(self.done("backup", backup, "--dir", old.directory, status=CANTCREAT).count("exists"), 1)
            with zipfile.ZipFile(backup) as archive:
                self.assertIsNone(archive.testzip())
                names = set(archive.namelist())
            self.assertLessEqual({"backup.json", "kith.toml", "node.key", "state/kith.sqlite", "state/audit.log"}, names)
            self.assertEqual([name for name in names if name.endswith((".idx", ".csv")) or "blobs" in name], [])

            # It publishes more, which the restored one knows nothing of.
            net.wait_for_rounds(3, 60)
            self.assertEqual(old.stop(), 0)
            newest = old.events("round_finished")[-1]["round"]
            self.done("restore", backup, "--dir", old.directory, status=CANTCREAT)
            cut = self.folder / "cut.zip"
            cut.write_bytes(backup.read_bytes()[:-100])
            self.done("restore", cut, "--dir", self.folder / "nowhere", status=DATAERR)
            self.assertFalse((self.folder / "nowhere").exists())

            place = old.directory.parent / "restored"
            self.assertIn("must not run any more", self.done("restore", backup, "--dir", place))
            self.assertIn("sealed", (place / "node.key").read_text())
            whole = self.done("log", "verify", "--dir", place)
            self.assertIn("are whole", whole)
            for key in ("channel.key", "node.key"):
                opened = kith("key", "open", place / key, "--dir", place, env=with_passphrase)
                self.assertEqual(opened.returncode, 0, opened.stderr)

            restored = Node(place)
            net.nodes[0] = restored
            restored.start()
            net.wait("it goes on from where it was", lambda: restored.finished() > then, 60)
            self.assertLess(restored.events("opened")[0]["round"], newest + 1)
            net.wait("the other takes what it publishes now", lambda: any(
                each["round"] > newest for each in [other.peers()["node-1"]["snapshot"]]), 90)  # fmt: skip
            net.wait("and averages with it", lambda: other.peers()["node-1"]["averaged"], 60)
            for node in net.nodes:
                for event in ("peer_convicted", "convicted_ourselves", "fault"):
                    self.assertEqual(node.events(event), [])
            self.assertIn("are whole", self.done("log", "verify", "--dir", place))

    def test_a_backup_of_a_node_that_never_ran_is_restored_too(self):
        self.done("init", "--dir", self.folder / "new", "--name", "alice")
        self.done("backup", self.folder / "new.zip", "--dir", self.folder / "new")
        said = self.done("restore", self.folder / "new.zip", "--dir", self.folder / "again")
        self.assertIn("No key is in it", said)
        for name in ("kith.toml", "charter.kith", "node.card"):
            self.assertEqual((self.folder / "again" / name).read_bytes(), (self.folder / "new" / name).read_bytes())


if __name__ == "__main__":
    testnet.main()
