"""A consortium that is made and changed with the verbs alone: no file is edited, but for [task] and [data]."""

import contextlib
import json
import os
import pathlib
import pty
import shutil
import tempfile
import time

import testnet
from testnet import DATAERR, NOINPUT, NOPERM, USAGE, Node, Testnet, kith

CANTCREAT = 73


class Charters(testnet.Verbs):
    """Folders of nodes and stewards, and the verbs in them."""

    def charter(self, folder, verb, *arguments, status=0):
        return self.done("charter", verb, "--dir", folder, *arguments, status=status)

    def json(self, folder, verb, *arguments):
        return json.loads(self.charter(folder, verb, "--json", *arguments))

    def change(self, folder, *what, signed_by=None):
        """Makes the next version in this folder, with the signatures of these stewards' folders; the proposal."""
        proposal = pathlib.Path(self.json(folder, "propose", *what)["file"])
        for steward in signed_by or [folder]:
            if steward != folder:  # what is carried to the other machine and back
                shutil.copy(folder / "charter.kith", steward)
            self.charter(steward, "sign", proposal)
        self.charter(folder, "merge", proposal)
        return proposal


class OnFilesAlone(Charters):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="kith-e2e-")))
        self.alice, self.bob, self.carol = (self.folder / name for name in ("alice", "bob", "carol"))
        self.done("init", "--dir", self.alice, "--name", "alice", "--consortium", "study", "--listen", "127.0.0.1:7701")
        for place in (self.bob, self.carol):
            self.joining(place)

    def joining(self, place, founder=None):
        """A node's folder, with a card for that consortium, which does not name it yet."""
        charter = (founder or self.alice) / "charter.kith"
        self.done("init", "--join", charter, "--dir", place, "--name", place.name, "--address", "h:1")

    def three_stewards(self):
        """Alice, Bob and Carol, two of whom must sign; version 3."""
        self.change(self.alice, "--add", self.bob / "node.card", "--add", self.carol / "node.card")
        everybody = [self.alice, self.bob, self.carol]
        self.change(self.alice, "--steward-add", "bob", "--steward-add", "carol", signed_by=everybody)
        for place in (self.bob, self.carol):
            self.charter(place, "merge", self.alice / "charter.kith")

    def test_a_new_consortium_has_one_member_who_is_its_steward(self):
        shown = self.json(self.alice, "show")
        self.assertEqual((shown["number"], shown["threshold"], shown["age"]), (1, 1, "valid"))
        self.assertEqual([member["name"] for member in shown["members"]], ["alice"])
        self.assertEqual([steward["name"] for steward in shown["stewards"]], ["alice"])
        self.assertIn(shown["fingerprint"], self.charter(self.alice, "show"))
        (self.bob / "charter.kith").unlink()
        self.assertIn("kith charter merge", self.done("run", "--dir", self.bob, status=NOINPUT))

    def test_the_history_says_what_changed_and_who_signed(self):
        self.three_stewards()
        first, second, third = self.json(self.bob, "log")
        self.assertEqual([member["name"] for member in first["changes"]["added"]], ["alice"])
        self.assertEqual({member["name"] for member in second["changes"]["added"]}, {"bob", "carol"})
        self.assertEqual(set(third["signed_by"]), {"alice", "bob", "carol"})
        self.assertEqual(third["changes"]["threshold"], [1, 2])
        self.assertIn("+ member  bob", self.charter(self.bob, "diff", "--from", 1))
        self.assertEqual(self.json(self.carol, "verify")["fingerprint"], third["fingerprint"])
        published = self.folder / "for dave.kith"
        self.assertIn(third["fingerprint"], self.charter(self.bob, "publish", "--out", published))
        self.assertIn("exists already", self.charter(self.bob, "publish", "--out", published, status=CANTCREAT))
        dave = self.folder / "dave"
        told = self.done("init", "--join", published, "--dir", dave, "--name", "dave", "--address", "h:1")
        self.assertIn(first["fingerprint"], told)
        self.assertIn(str(dave / "node.card"), told)

    def test_one_signature_of_two_changes_nothing_and_two_on_copies_do(self):
        self.three_stewards()
        proposal = pathlib.Path(self.json(self.alice, "propose", "--remove", "carol")["file"])
        copy = shutil.copy(proposal, self.folder / "copy.proposal")
        self.charter(self.alice, "sign", proposal)
        self.assertIn("1 of 2 signatures", self.charter(self.alice, "merge", proposal))
        self.assertEqual(self.json(self.alice, "show")["number"], 3)
        self.charter(self.bob, "sign", copy)
        self.assertTrue(self.json(self.alice, "merge", copy, proposal)["changed"])
        self.assertEqual(self.json(self.alice, "show")["number"], 4)
        self.assertTrue(self.json(self.bob, "merge", self.alice / "charter.kith")["changed"])

    def test_a_steward_needs_no_configuration_and_no_membership(self):
        offline = self.folder / "vault"
        self.joining(offline)
        for needless in ("kith.toml", "channel.key"):
            (offline / needless).unlink()
        self.change(self.alice, "--steward-add", offline / "node.card", signed_by=[self.alice, offline])
        shown = self.json(self.alice, "show")
        self.assertEqual({steward["name"] for steward in shown["stewards"]}, {"alice", "vault"})
        self.assertEqual(shown["threshold"], 2)
        self.charter(offline, "merge", self.alice / "charter.kith")
        self.assertEqual(self.json(offline, "verify")["number"], 2)

    def test_a_steward_signs_with_a_passphrase_from_a_file_or_the_terminal(self):
        word = self.folder / "word"
        word.write_text("correct horse\n")
        word.chmod(0o600)
        node_key, channel_key = self.alice / "node.key", self.alice / "channel.key"
        proposal = self.json(self.alice, "propose", "--renew", 100)["file"]
        id = json.loads(self.done("key", "show", "--json", "--dir", self.alice))["id"]
        with self.passphrase(word):
            for key in (node_key, channel_key):
                self.assertIn(str(key), self.done("key", "seal", "--dir", self.alice, key))
                self.assertEqual(key.stat().st_mode & 0o777, 0o600)
                self.assertIn("kith-sealed", key.read_text())
        for verb in (["charter", "sign", "--dir", self.alice, proposal], ["run", "--dir", self.alice]):
            refused = kith(*verb, start_new_session=True)  # without the terminal that this may run on
            self.assertEqual(refused.returncode, NOPERM)
            self.assertIn("no terminal", refused.stderr)
        with self.passphrase(self.folder / "nothing"):
            self.assertIn("No such file", self.charter(self.alice, "sign", proposal, status=NOINPUT))
        wrong = self.folder / "wrong"
        wrong.write_text("wrong horse\n")
        wrong.chmod(0o600)
        with self.passphrase(wrong):
            self.assertIn("another passphrase", self.charter(self.alice, "sign", proposal, status=NOPERM))
        said = self.typed(["charter", "sign", "--dir", self.alice, proposal], "correct horse\n")
        self.assertIn("Passphrase of", said)
        self.assertIn("Signed version 2", said)
        self.assertNotIn("correct", said)
        self.assertIn("interrupted", self.typed(["key", "show", "--dir", self.alice], "corr\x03"))
        with self.passphrase(word):  # the former key is as sealed as the new one
            renewed = json.loads(self.done("key", "renew", "--json", "--dir", self.alice))
            self.assertEqual(renewed["id"], id)
        said = self.typed(["key", "show", "--dir", self.alice], "correct horse\n")
        self.assertIn("its former channel key as well", said)
        former = self.alice / "channel.key.former"
        for file in (channel_key, former):
            self.assertIn("kith-sealed", file.read_text())
        with self.passphrase(word):
            self.done("key", "open", "--dir", self.alice)
        for file in (channel_key, former):
            self.assertNotIn("kith-sealed", file.read_text())
        self.assertIn("kith-sealed", node_key.read_text())
        self.done("key", "retire", "--dir", self.alice)
        self.assertFalse(former.exists())
        self.assertIn("no former key", self.done("key", "retire", "--dir", self.alice, status=USAGE))
        self.assertIn("differ", self.typed(["key", "seal", "--dir", self.alice], "one\n", "other\n"))
        self.assertIn(id, self.done("key", "show", "--dir", self.alice))

    @contextlib.contextmanager
    def passphrase(self, file):
        os.environ["KITH_PASSPHRASE_FILE"] = str(file)
        try:
            yield
        finally:
            del os.environ["KITH_PASSPHRASE_FILE"]

    def typed(self, arguments, *lines):
        """What `kith ARGUMENTS` shows on a terminal on which somebody types these lines, each when asked."""
        child, terminal = pty.fork()
        if child == 0:
            os.execv(testnet.KITH, [str(part) for part in (testnet.KITH, *arguments)])
        shown, left = b"", list(lines)
        with contextlib.suppress(OSError):  # the terminal is gone when its program is
            while part := os.read(terminal, 1024):
                shown += part
                if left and shown.count(b": ") > len(lines) - len(left):
                    os.write(terminal, left.pop(0).encode())
        os.close(terminal)
        os.waitpid(child, 0)
        return shown.decode()

    def test_a_key_signs_one_of_two_rivals(self):
        one = self.json(self.alice, "propose", "--renew", 100)["file"]
        self.charter(self.alice, "sign", one)
        other = self.json(self.alice, "propose", "--renew", 200, "--out", self.folder / "other")["file"]
        self.assertIn(one, self.charter(self.alice, "sign", other, status=NOPERM))
        self.charter(self.alice, "sign", one)

    def forked(self):
        """Version 4 of Alice and Bob expels Carol, who has another, which Bob's stolen key has signed as well."""
        self.three_stewards()
        thief = self.folder / "thief"
        shutil.copytree(self.bob, thief)
        self.change(self.alice, "--remove", "carol", signed_by=[self.alice, self.bob])
        self.change(self.carol, "--renew", 50, signed_by=[thief, self.carol])

    def test_a_rival_is_evidence_that_names_who_signed_both_and_changes_nothing_unless_it_is_adopted(self):
        self.forked()
        alarm = kith("charter", "merge", "--json", "--dir", self.alice, self.carol / "charter.kith")
        self.assertEqual(alarm.returncode, DATAERR)
        told = json.loads(alarm.stdout)
        self.assertFalse(told["changed"])
        [rival] = told["rivals"]
        self.assertEqual([steward["name"] for steward in rival["signed_twice"]], ["bob"])
        self.assertEqual({member["name"] for member in self.json(self.alice, "show")["members"]}, {"alice", "bob"})
        self.assertIn("A RIVAL VERSION 4", self.charter(self.alice, "show"))
        verified = kith("charter", "verify", "--dir", self.alice)
        self.assertEqual(verified.returncode, DATAERR)
        self.assertIn("rival", verified.stdout)
        adopted = self.json(self.alice, "adopt", self.carol / "charter.kith")
        self.assertEqual(adopted["number"], 4)
        self.assertEqual(len(self.json(self.alice, "show")["members"]), 3)
        self.assertTrue(all(rival["settled"] for rival in self.json(self.alice, "verify")["rivals"]))

    def test_the_next_version_that_enough_present_stewards_sign_brings_those_of_a_rival_back(self):
        self.forked()
        rival = shutil.copy(self.carol / "charter.kith", self.folder)
        kith("charter", "merge", "--dir", self.carol, self.alice / "charter.kith")  # the alarm
        self.assertEqual(self.json(self.carol, "show")["number"], 4)
        proposal = self.json(self.alice, "propose", "--steward-remove", "bob")["file"]
        self.charter(self.alice, "sign", proposal)
        # Carol's key has signed another version 4, and so this one's beginning she never saw.
        self.charter(self.alice, "sign", "--key", self.carol / "node.key", proposal)
        self.charter(self.alice, "merge", proposal)
        self.charter(self.carol, "merge", self.alice / "charter.kith")
        shown = self.json(self.carol, "show")
        self.assertEqual(shown["number"], 5)
        self.assertEqual({member["name"] for member in shown["members"]}, {"alice", "bob"})
        self.assertFalse(self.json(self.carol, "merge", self.alice / "charter.kith")["changed"])
        kith("charter", "merge", "--dir", self.alice, rival)
        self.assertEqual(self.json(self.alice, "show")["number"], 5)

    def test_bad_input_is_refused_in_a_sentence_and_changes_nothing(self):
        before = (self.alice / "charter.kith").read_bytes()
        edited = self.folder / "edited.kith"
        edited.write_bytes(before.replace(b"alice", b"alicf"))
        self.assertIn("altered after signing", self.charter(self.alice, "verify", edited, status=DATAERR))
        self.assertIn("altered after signing", self.charter(self.bob, "merge", edited, status=DATAERR))
        edited.write_bytes(before[:-9])
        self.assertIn("not all of them", self.charter(self.alice, "merge", edited, status=DATAERR))
        card = (self.bob / "node.card").read_text()
        altered = self.folder / "altered.card"
        altered.write_text(card[:100] + ("0" if card[100] != "0" else "1") + card[101:])
        self.assertIn("altered since", self.charter(self.alice, "propose", "--add", altered, status=DATAERR))
        other = self.folder / "other"
        self.done("init", "--dir", other, "--name", "mallory", "--consortium", "study", "--listen", "127.0.0.1:1")
        self.assertIn("another consortium", self.charter(self.alice, "merge", other / "charter.kith", status=DATAERR))
        dave = self.folder / "dave"
        self.joining(dave, founder=other)
        self.assertIn(
            "card for another consortium", self.charter(self.alice, "propose", "--add", dave / "node.card", status=DATAERR)
        )  # fmt: skip
        for what, status, phrase in (
            ([], USAGE, "changes nothing"),
            (["--remove", "dave"], USAGE, "there are: alice"),
            (["--steward-add", "dave"], USAGE, "neither a member's name"),
            (["--threshold", 2], USAGE, "higher than the number of stewards"),
            (["--remove", "alice"], USAGE, "no members"),
            (["--add", self.folder / "nothing"], NOINPUT, "there is no"),
        ):
            self.assertIn(phrase, self.charter(self.alice, "propose", *what, status=status))
        proposal = self.json(self.alice, "propose", "--renew", 9)["file"]
        self.assertIn("exists already", self.charter(self.alice, "propose", "--renew", 8, status=CANTCREAT))
        self.assertIn("no steward", self.charter(self.bob, "sign", proposal, status=NOPERM))
        self.assertIn("is no proposal", self.charter(self.alice, "sign", self.bob / "charter.kith", status=DATAERR))
        (self.alice / "node.key").chmod(0o640)
        self.assertIn("chmod 600", self.charter(self.alice, "sign", proposal, status=NOPERM))
        self.assertEqual((self.alice / "charter.kith").read_bytes(), before)


class WithNodes(Charters):
    def founded(self, net):
        """Replaces the testnet's nodes, whose data they take, by others that follow a charter."""
        nodes = []
        for listed in net.nodes:
            old = listed.config()
            folder = net.directory / "net" / "charter" / listed.name  # as deep, so that data.train fits
            arguments = ["--dir", folder, "--name", listed.name, "--listen", old["node"]["listen"][0]]
            how = ["--join", nodes[0].directory / "charter.kith"] if nodes else ["--consortium", "e2e"]
            self.done("init", *how, *arguments)
            node = Node(folder)
            kept = {f"{part}.{key}": value for part in ("task", "data") for key, value in old[part].items()}
            node.configure(kept | testnet.QUICK | {"log.format": "json"})
            nodes.append(node)
        net.nodes = nodes
        return [node.directory for node in nodes]

    def three_members(self, net):
        """The same, all of whom the charter has taken in; the first is the steward."""
        steward, second, third = self.founded(net)
        self.change(steward, "--add", second / "node.card", "--add", third / "node.card")
        for place in (second, third):
            self.charter(place, "merge", steward / "charter.kith")
        return steward, second, third

    def test_a_running_node_takes_files_from_outside_its_folders_and_leaves_none_of_them_in_it(self):
        with Testnet(nodes=2) as net:
            steward, second = self.founded(net)
            self.change(steward, "--add", second / "node.card")
            self.change(steward, "--steward-add", "node-2", signed_by=[steward, second])
            self.charter(second, "merge", steward / "charter.kith")
            net.start()
            net.wait_for_rounds(1, 60)
            proposal = self.json(steward, "propose", "--renew", "200")["file"]
            carried = pathlib.Path(shutil.move(proposal, net.directory / "carried.proposal"))
            other = pathlib.Path(shutil.copy(carried, net.directory / "other.proposal"))
            self.charter(steward, "sign", carried)
            self.assertIn(f"together in {carried}.", self.charter(steward, "merge", carried))
            # Which of the files takes the signatures, and that it does: neither alone has all of them.
            unsigned = other.read_bytes()
            self.json(steward, "merge", other, carried)
            self.assertNotEqual(other.read_bytes(), unsigned)
            other.write_bytes(unsigned[:-1])
            self.assertIn(f"{other} is no proposal", self.charter(steward, "merge", other, status=DATAERR))
            self.charter(second, "sign", carried)
            self.assertTrue(self.json(steward, "merge", carried)["changed"])
            self.assertEqual(list(steward.glob("offered-*")), [])

    def test_three_nodes_learn_together_and_who_is_expelled_on_one_node_is_refused_by_all(self):
        with Testnet(nodes=3) as net:
            steward, second, third = self.three_members(net)
            net.start()
            net.wait_for_rounds(2, 60)
            everybody = {"node-1", "node-2", "node-3"}
            for node in net.nodes:
                others = everybody - {node.name}
                used = lambda: {name for name, peer in node.peers().items() if peer["snapshot"]}
                net.wait(f"{node.name} has models of both others", lambda: used() == others, 60)

            self.check_export(net, steward)

            # While they run: nobody restarts anything, and only the steward's node is told.
            old = shutil.copy(third / "charter.kith", net.directory)
            expelled = net.nodes[2]
            lives = {node.name: (node.process.pid, node.status()["worker_pid"]) for node in net.nodes}
            self.change(steward, "--remove", "node-3")
            applied = time.time()
            net.wait("node-3 has heard", lambda: not expelled.status()["charter"]["member"], 30)
            lost = lambda: [one for one in expelled.events("peer_disconnected") if one["peer"] == "node-1"]
            net.wait("its connection with the steward's node has ended", lost, 30)
            self.assertLess(lost()[-1]["at"] - applied, 2.0, "it was still connected")
            for node, other in ((net.nodes[0], "node-2"), (net.nodes[1], "node-1")):
                net.wait(f"{node.name} goes on with {other} alone", lambda: set(node.peers()) == {other}, 30)
                self.assertTrue(node.peers()[other]["connected"])
                self.assertEqual(node.peers()[other]["charter"]["state"], "ours")
                self.assertEqual(node.status()["charter"]["number"], 3)
                # And what that did to its model.
                gone = lambda: {one["name"]: one for one in node.status()["expelled"]}.get("node-3", {})
                net.wait("there are rounds to compare", lambda: gone().get("before") and gone().get("after"), 30)
                self.assertEqual(gone()["version"], 3)
                shown = self.done("status", "--dir", node.directory)
                self.assertRegex(shown, r"expelled +node-3, by version 3 of the charter: ")
            told = {event["from"]: event["number"] for event in net.nodes[1].events("charter_received")}
            self.assertEqual(len(told), 1)
            self.assertLessEqual(told.items(), {"node-1": 3, "node-3": 3}.items())  # who is expelled may tell first

            # It learns alone, and the others have not so much as looked up from their work.
            net.wait_for_rounds(2, 60)
            self.assertEqual(expelled.status()["last_round"]["members"], [])
            self.assertRegex(self.done("status", "--dir", third), "The charter does not name this node|Others say that this node is no member")
            for node in net.nodes:
                self.assertEqual(lives[node.name], (node.process.pid, node.status()["worker_pid"]))
                self.assertEqual(len(node.events("opened")), 1)

            # It does not want to have heard of it.
            self.charter(third, "adopt", old)
            reasons = lambda: {(peer["trouble"] or {}).get("reason") for peer in expelled.peers().values()}
            net.wait("node-3 is refused by both", lambda: reasons() == {"not_a_member"}, 60)
            help = expelled.peers()["node-1"]["trouble"]["help"]
            self.assertIn("expelled", help)
            self.assertIn("charter", help)
            net.wait_for_rounds(2, 60, net.nodes[:2])
            self.assertEqual({event["number"] for event in net.nodes[1].events("charter")}, {2, 3})
            for node in net.nodes:
                self.assertEqual(node.stop(), 0)
            self.check_audit_log(steward, second)

            # Who takes two versions at once writes both down: one may have expelled somebody.
            for days in (400, 500):
                self.change(steward, "--renew", days)
            net.nodes[0].start()
            net.wait("it has joined", lambda: len(net.nodes[0].events("listening")) == 2, 30)
            self.assertEqual(net.nodes[0].status()["charter"]["number"], 5)
            self.assertEqual(net.nodes[0].stop(), 0)
            log = json.loads(self.done("log", "show", "--json", "--last", 100_000, "--dir", steward))
            self.assertEqual([one["number"] for one in log if one["event"] == "charter"], [2, 3, 4, 5])

    def test_two_consortia_become_one_and_one_becomes_two_and_what_was_learnt_stays(self):
        with Testnet(nodes=3) as net:
            first, second, third = self.founded(net)
            self.change(first, "--add", second / "node.card")
            self.charter(second, "merge", first / "charter.kith")
            alone = net.directory / "alone.kith"
            self.charter(third, "found", "--consortium", "alone", "--out", alone)
            self.assertIn("alone", self.charter(third, "adopt", alone))
            net.start()
            net.wait_for_rounds(3, 60)
            connected = lambda node: {name for name, peer in node.peers().items() if peer["connected"]}
            for node, others in zip(net.nodes, ({"node-2"}, {"node-1"}, set())):
                net.wait(f"{node.name} is in its own consortium", lambda: connected(node) == others, 60)

            # Together: the others take it in while they run, and it goes over.
            self.assertIn("does not name this node", self.charter(third, "adopt", first / "charter.kith", status=NOPERM))
            card, grown = net.directory / "node-3.card", net.directory / "grown.kith"
            self.charter(third, "request", "--charter", first / "charter.kith", "--out", card)
            self.change(first, "--add", card)
            self.charter(first, "publish", "--out", grown)
            self.assertIn("stop it first", self.charter(third, "adopt", grown, status=testnet.TEMPFAIL))
            self.assertEqual(net.nodes[2].stop(), 0)
            learnt = max(event["round"] for event in net.nodes[2].events("round_finished"))
            adopted = json.loads(self.charter(third, "adopt", "--json", grown))
            self.assertEqual((adopted["consortium"], adopted["number"]), ("e2e", 3))
            self.assertEqual(len(list(third.glob("charter-*.kith"))), 2)  # "e2e", which it left unseen, and "alone"
            net.nodes[2].start()
            for node in net.nodes:
                net.wait(f"{node.name} is with the others", lambda: len(connected(node)) == 2, 60)
            self.assertGreaterEqual(net.nodes[2].events("opened")[-1]["round"], learnt)

            # Apart: the last two go their own way.
            apart = net.directory / "apart.kith"
            self.charter(second, "found", "--consortium", "apart", "--out", apart)
            self.charter(third, "request", "--charter", apart, "--out", card)
            proposal = json.loads(self.charter(second, "propose", "--json", "--charter", apart, "--add", card))["file"]
            self.charter(second, "sign", "--charter", apart, proposal)
            self.charter(second, "merge", "--charter", apart, proposal)
            for node in net.nodes[1:]:
                self.assertEqual(node.stop(), 0)
                self.charter(node.directory, "adopt", apart)
                node.start()
            for node, others in zip(net.nodes, (set(), {"node-3"}, {"node-2"})):
                net.wait(f"{node.name} is where it belongs", lambda: connected(node) == others, 60)
            for node in net.nodes:
                self.assertEqual(node.stop(), 0)

    def test_nodes_renew_their_keys_and_move_and_no_steward_is_asked(self):
        with Testnet(nodes=3) as net:
            steward, second, third = self.three_members(net)
            one, two, three = net.nodes
            net.start()
            net.wait_for_rounds(2, 60)
            before = json.loads(self.done("key", "show", "--dir", third, "--json"))

            # While it runs; the others have used none of its snapshots sealed to them anew.
            told = self.done("key", "renew", "--dir", third)
            self.assertIn("answers to the former key as well", told)
            after = json.loads(self.done("key", "show", "--dir", third, "--json"))
            self.assertEqual(after["id"], before["id"])
            self.assertNotEqual(after["channel"], before["channel"])
            self.assertIn("former_until", after)
            for node in (one, two):
                net.wait(f"{node.name} hears of it", lambda: node.events("peer_renewed"), 30)
            heard = three.peers()["node-1"]["snapshot"]["round"]
            used = one.peers()["node-3"]["snapshot"]["round"]
            newer = lambda: three.peers()["node-1"]["snapshot"]["round"] > heard + 1
            net.wait("node-3 reads what is sealed to its new key", newer, 60)
            net.wait("and is read", lambda: one.peers()["node-3"]["snapshot"]["round"] > used + 1, 60)
            for node in net.nodes:
                self.assertEqual([], node.events("snapshot_refused"))

            # node-2 gets another address, and node-1, which was away meanwhile, hears of it.
            self.done("key", "retire", "--dir", third)
            address = two.config()["node"]["listen"][0].replace("127.0.0.1", "localhost")
            self.done("key", "card", "--dir", second, "--address", address)
            moved = lambda: any(address in event["addresses"] for event in one.events("peer_renewed"))
            net.wait("node-1 hears where node-2 is", moved, 30)
            one.stop()
            one.start()
            connected = lambda: all(peer["connected"] for node in net.nodes for peer in node.peers().values())
            net.wait("all are connected", connected, 60)
            shown = {member["name"]: member for member in self.json(steward, "show")["members"]}
            self.assertEqual(shown["node-2"]["addresses"], [address])
            self.assertEqual(shown["node-3"]["channel"], after["channel"])

            # Whoever was away for too long takes the file of another member.
            three.stop()
            lost = third / "charter.kith"
            shutil.copy(net.nodes[0].directory / "charter.kith", net.directory / "news.kith")
            lost.unlink()
            self.assertIn("has version 2", self.charter(third, "merge", net.directory / "news.kith"))
            self.assertIn("nothing in it", self.charter(third, "merge", net.directory / "news.kith"))
            three.start()
            net.wait("all are connected again", connected, 60)
            verified = self.done("log", "verify", "--dir", third)
            self.assertIn("whole", verified)

    def test_a_rival_that_leaves_nodes_out_stops_none_of_them(self):
        with Testnet(nodes=3) as net:
            steward, second, third = self.three_members(net)
            forger = net.directory / "forger"
            shutil.copytree(steward, forger)  # with the only steward's key
            (forger / "charter.kith.lock").unlink(missing_ok=True)
            self.change(forger, "--remove", "node-2", "--remove", "node-3")
            self.change(steward, "--renew", 100)
            net.start()
            others = lambda node: {each.name for each in net.nodes} - {node.name}
            connected = lambda node: {name for name, peer in node.peers().items() if peer["connected"]} == others(node)
            for node in net.nodes:
                net.wait(f"{node.name} follows version 3", lambda: node.status()["charter"]["number"] == 3, 60)
                net.wait(f"{node.name} has its peers", lambda: connected(node), 60)
            kith("charter", "merge", "--dir", third, forger / "charter.kith")  # the alarm
            for node in net.nodes:
                net.wait(f"{node.name} knows of the rival", lambda: node.status()["charter"]["rivals"], 60)
            net.wait_for_rounds(2, 60)
            for node in net.nodes:
                self.assertTrue(connected(node))
                self.assertIn("A rival version 3", self.done("status", "--dir", node.directory))
                self.charter(node.directory, "adopt", node.directory / "charter.kith")
                self.assertTrue(connected(node))
                self.assertTrue(all(rival["settled"] for rival in node.status()["charter"]["rivals"]))
            for node in net.nodes:
                self.assertEqual(node.stop(), 0)

    def check_export(self, net, steward):
        """A model that leaves the consortium, checked by somebody who has nothing but the files."""
        everybody = {"node-1", "node-2", "node-3"}
        node = net.nodes[0]
        served = lambda: node.status()["last_round"]["served"] == "averaged" and node.status()["last_round"]["members"]
        net.wait("it serves an average", served, 60)
        model, card = (net.directory / f"model.{kind}" for kind in ("safetensors", "card"))
        told = json.loads(self.done("export", "--json", "--dir", steward, model))
        self.assertIn("exists already", self.done("export", "--dir", steward, model, status=CANTCREAT))
        founded = self.json(steward, "verify")["founded"]
        anchors = ["--charter", steward / "charter.kith", "--fingerprint", founded]
        verified = self.done("verify", card, *anchors)
        self.assertNotIn("NO ", verified)
        self.assertIn(founded, verified)
        for member in told["averaged"]:
            self.assertIn(member["name"], verified)
        unanchored = kith("verify", card)
        self.assertEqual(unanchored.returncode, 1, unanchored.stdout)
        self.assertLessEqual({member["name"] for member in told["averaged"]}, everybody - {node.name})
        for damaged, damage in ((model, b"\0" * 4), (card, b"x")):
            before = damaged.read_bytes()
            damaged.write_bytes(before[: len(before) // 2] + damage + before[len(before) // 2 + len(damage) :])
            self.assertEqual(kith("verify", card, *map(str, anchors)).returncode, DATAERR)
            damaged.write_bytes(before)
        self.assertTrue(json.loads(self.done("verify", "--json", card, *anchors))["good"])

    def check_audit_log(self, steward, second):
        """Both tell the same story: who belonged, what left, and whose snapshots were averaged with."""
        first_log, second_log = (
            json.loads(self.done("log", "show", "--json", "--last", 100_000, "--dir", place)) for place in (steward, second)
        )  # fmt: skip
        for place, entries in ((steward, first_log), (second, second_log)):
            checked = json.loads(self.done("log", "verify", "--json", "--dir", place))
            self.assertEqual(checked["entries"], len(entries))
            charters = [[member["name"] for member in one["members"]] for one in entries if one["event"] == "charter"]
            self.assertEqual([set(names) for names in charters], [{"node-1", "node-2", "node-3"}, {"node-1", "node-2"}])
            self.assertEqual([len(one["readers"]) for one in entries if one["event"] == "published"][-1], 2)
        newest = [one for one in first_log if one["event"] == "charter"][-1]
        self.assertEqual([member["name"] for member in newest["expelled"]], ["node-3"])
        self.assertEqual((newest["admitted"], len(newest["signed_by"])), ([], 1))
        expelled = max(one["n"] for one in first_log if one["event"] == "charter")
        averaged = [one for one in first_log if one["event"] == "averaged"]
        # The round under way when the charter changed may end with the old members; no later one does.
        later = [one for one in averaged if one["n"] > expelled][1:]
        self.assertTrue(later)
        self.assertLessEqual({member["name"] for one in later for member in one["members"]}, {"node-2"})
        published = {one["snapshot"] for one in second_log if one["event"] == "published"}
        used = {member["snapshot"] for one in averaged for member in one["members"] if member["name"] == "node-2"}
        self.assertTrue(used)
        self.assertLessEqual(used, published)
        log = steward / "state" / "audit.log"
        log.write_text(log.read_text().replace('"event":"averaged"', '"event":"Averaged"', 1))
        self.assertIn("changed later", self.done("log", "verify", "--dir", steward, status=DATAERR))


if __name__ == "__main__":
    testnet.main()
