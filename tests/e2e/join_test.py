"""From one node to two with an invitation: four commands here, two there, and no file is edited."""

import json
import shutil
import subprocess

import testnet
from testnet import DATAERR, NOINPUT, NOPERM, USAGE, Node, Testnet, kith

CANTCREAT, TEMPFAIL = 73, 75


class Joining(testnet.Verbs):
    def setUp(self):
        self.net = self.enterContext(Testnet(nodes=2))  # for its data and its ports
        self.folder = self.net.directory / "net" / "joining"
        self.ports = [listed.config()["node"]["listen"][0] for listed in self.net.nodes]
        self.data = [
            [str((listed.directory / file).resolve()) for file in listed.config()["data"]["train"]]
            for listed in self.net.nodes
        ]
        self.task = self.net.directory / "task.toml"
        settings = self.net.nodes[0].config()["task"]
        self.task.write_text("[task]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
        self.net.nodes.clear()

    def json(self, verb, node, *arguments):
        return json.loads(self.done(verb, "--json", "--dir", self.folder / node, *arguments))

    def paper(self, line):
        """A file with this line: an invitation does not belong on a command line."""
        file = self.net.directory / "line"
        file.write_text(line)
        file.chmod(0o600)
        return file

    def founded(self):
        """The first node, which runs."""
        self.done("init", "--dir", self.folder / "a", "--name", "a", "--consortium", "study", "--listen", self.ports[0],
                  "--task", self.task, "--train", *self.data[0])  # fmt: skip
        node = Node(self.folder / "a")
        node.configure(testnet.QUICK | {"log.format": "json"})  # nothing that a person would have to do
        self.net.nodes.append(node)
        node.start()
        self.net.wait("the first node listens", lambda: node.events("listening"), 30)
        return node

    def there(self, name="b"):
        """The arguments of the second node's join."""
        return ["--dir", self.folder / name, "--name", name, "--listen", self.ports[1], "--train", *self.data[1]]

    def test_an_invitation_and_an_approval_make_two_nodes_that_exchange_snapshots(self):
        first = self.founded()
        self.assertIn("\u2588", self.done("invite", "--dir", self.folder / "a", "--qr", "--for", "nobody"))
        self.done("deny", "--dir", self.folder / "a", "nobody")
        invited = self.json("invite", "a", "--for", "b")
        joining = subprocess.Popen([testnet.KITH, "join", self.paper(invited["invite"]), *self.there()], stdout=subprocess.PIPE, text=True)
        self.addCleanup(joining.kill)
        applied = lambda: [one for one in self.json("pending", "a") if one["state"] == "applied"]
        self.net.wait("it has applied", applied, 30)
        pending = applied()[0]
        self.assertEqual((pending["name"], pending["for"], pending["addresses"]), ("b", "b", [self.ports[1]]))
        approve = ["approve", "--dir", self.folder / "a", "b", "--id"]
        heard = pending["id"][:10] + ("7" if pending["id"][10] != "7" else "8") + pending["id"][11:]
        self.assertIn("mistyped in group 2", self.done(*approve, heard, status=DATAERR))
        own = json.loads(self.done("key", "show", "--json", "--dir", self.folder / "a"))["id"]
        self.assertIn("ANOTHER one", self.done(*approve, own, status=DATAERR))
        approved = json.loads(self.done(*approve, pending["id"], "--json"))
        self.assertEqual((approved["admitted"], approved["id"], approved["number"]), (True, pending["id"], 2))
        self.assertEqual(self.json("pending", "a"), [])
        said, _ = joining.communicate(timeout=60)
        self.assertEqual(joining.returncode, 0, said)
        self.assertIn(pending["id"], said)
        self.assertIn(approved["fingerprint"], said)
        self.assertRegex(said, r"Data: \d+ examples to train on, \d+ to validate with")
        second = Node(self.folder / "b")
        self.assertEqual(second.config()["task"]["sizes"], first.config()["task"]["sizes"])
        self.net.nodes.append(second)
        second.start()
        exchanged = lambda: all(node.peers()[other]["snapshot"] for node, other in ((first, "b"), (second, "a")))
        self.net.wait("they have each other's snapshots", exchanged, 60)
        self.assertEqual(self.json("pending", "a"), [])
        self.assertEqual([event["name"] for event in first.events("application")], ["b"])
        self.assertIn("taken in", self.done("join", "--dir", self.folder / "b", status=USAGE))

    def test_who_is_not_approved_yet_refused_or_too_late_is_told_so(self):
        self.founded()
        printed = self.folder / "printed"  # all that it says, and not the line alone
        printed.write_text("Hello,\n\n" + self.done("invite", "--dir", self.folder / "a", "--for", "b"))
        line = printed.read_text().split()[1]
        waiting = self.done("join", printed, "--once", *self.there(), status=TEMPFAIL)
        self.assertIn("kith approve b", waiting)
        # The invitation and what was said of the node are kept, and somebody else cannot use it.
        self.assertIn("kith approve b", self.done("join", "--once", "--dir", self.folder / "b", status=TEMPFAIL))
        self.assertEqual(self.json("pending", "a")[0]["addresses"], [self.ports[1]])
        self.assertIn("another node has used", self.done("join", self.paper(line), "--once", *self.there("thief"), status=NOPERM))
        self.done("deny", "--dir", self.folder / "a", "b")
        self.assertIn("refused", self.done("join", "--once", *self.there(), status=NOPERM))
        self.assertEqual([one["state"] for one in self.json("pending", "a")], ["refused"])
        withdrawn = self.json("invite", "a", "--for", "c")["invite"]
        self.done("deny", "--dir", self.folder / "a", "c")
        self.assertIn("withdrawn", self.done("join", self.paper(withdrawn), "--once", *self.there("c"), status=NOPERM))
        # Two for one name are told apart by their numbers; a name that a member has is nobody else's.
        one, other = (self.json("invite", "a", "--for", "twin") for _ in range(2))
        self.assertIn("give the number", self.done("deny", "--dir", self.folder / "a", "twin", status=USAGE))
        self.assertIn("Withdrew", self.done("deny", "--dir", self.folder / "a", one["number"]))
        self.assertIn("There is one for twin", self.done("invite", "--dir", self.folder / "a", "--for", "twin"))
        here = self.there("twin")
        here[here.index("--name") + 1] = "a"
        self.assertIn("kith join --name", self.done("join", self.paper(other["invite"]), "--once", *here, status=NOPERM))
        self.assertIn("kith approve twin", self.done("join", "--once", *self.there("twin"), status=TEMPFAIL))
        self.assertFalse((self.folder / "b" / "charter.kith").exists())
        shown = json.loads(self.done("charter", "show", "--json", "--dir", self.folder / "a"))
        self.assertEqual(shown["number"], 1)

    def test_bad_input_is_refused_in_a_sentence_and_changes_nothing(self):
        self.founded()
        line = self.json("invite", "a")["invite"]
        b = self.there()
        self.assertIn("not whole", self.done("join", self.paper(line[:-1]), *b, status=DATAERR))
        self.assertIn("not whole", self.done("join", self.paper(line[:60] + ("A" if line[60] != "A" else "B") + line[61:]), *b, status=DATAERR))
        self.assertIn("begin with", self.done("join", self.paper("hello"), *b, status=DATAERR))
        self.assertIn("other users of this machine", self.done("join", line, *b, status=USAGE))
        self.assertIn("there is no", self.done("join", self.folder / "nothing", *b, status=NOINPUT))
        for option, value, status, phrase in (
            ("--listen", "7700", USAGE, "--listen is like"),
            ("--address", "nowhere", USAGE, "--address is like"),
            ("--train", self.folder / "nothing.idx", NOINPUT, "there is no file"),
            ("--name", "a\tb", USAGE, "printable"),
        ):
            self.assertIn(phrase, self.done("join", self.paper(line), "--dir", self.folder / "b", option, value, status=status))
        self.assertIn("give the invitation", self.done("join", *b, status=USAGE))
        self.assertIn("is there already", self.done("join", self.paper(line), "--dir", self.other(), status=USAGE))
        self.assertFalse((self.folder / "b").exists())
        self.assertIn("nobody has applied", self.done("approve", "--dir", self.folder / "a", "nobody", status=USAGE))
        self.json("invite", "a", "--for", "late")
        self.assertIn("nobody has applied", self.done("approve", "--dir", self.folder / "a", "late", status=USAGE))
        broken = self.folder / "broken.toml"
        broken.write_text("[task]\nname = 'x'\nsizzes = [1]\n")
        self.assertIn("did you mean task.sizes", self.done("init", "--dir", self.folder / "c", "--task", broken, status=78))
        self.assertFalse((self.folder / "c").exists())

    def other(self):
        """A node of another consortium."""
        place = self.folder / "other"
        self.done("init", "--dir", place, "--name", "o", "--consortium", "other", "--listen", "127.0.0.1:1")
        return place

    def test_with_two_stewards_an_approval_is_a_proposal_until_the_other_has_signed(self):
        self.founded()
        vault, a = self.folder / "vault", self.folder / "a"
        self.done("init", "--join", a / "charter.kith", "--dir", vault, "--name", "vault", "--listen", "127.0.0.1:1")
        proposal = json.loads(self.done("charter", "propose", "--json", "--dir", a, "--steward-add", vault / "node.card"))["file"]
        shutil.copy(a / "charter.kith", vault)
        for place in (a, vault):
            self.done("charter", "sign", "--dir", place, proposal)
        self.done("charter", "merge", "--dir", a, proposal)
        line = self.json("invite", "a", "--for", "b")["invite"]
        self.net.wait("the node answers", lambda: "kith approve b" in kith("join", self.paper(line), "--once", *self.there()).stderr, 30)
        approved = self.json("approve", "a", "b")
        self.assertFalse(approved["admitted"])
        self.assertEqual(approved["signatures"]["missing"], ["vault"])
        self.done("join", "--once", *self.there(), status=TEMPFAIL)
        shutil.copy(a / "charter.kith", vault)
        self.done("charter", "sign", "--dir", vault, approved["proposal"])
        self.done("charter", "merge", "--dir", a, approved["proposal"])
        self.net.wait("it is taken in", lambda: kith("join", "--once", *self.there()).returncode == 0, 30)
        self.assertEqual(json.loads(self.done("charter", "show", "--json", "--dir", self.folder / "b"))["number"], 3)


if __name__ == "__main__":
    testnet.main()
