"""A consortium of six that learns takes a seventh in, and none of the six looks up from its work."""

import json

import testnet
from testnet import Node, Testnet, kith

BEFORE, AFTER = 3, 4  # rounds


class Growing(testnet.Verbs):
    def test_an_approval_costs_no_round_no_worker_and_no_connection(self):
        settings = testnet.QUICK | {"learning.strategy": "fedavg", "learning.interval": "500ms"}
        with Testnet(nodes=7, settings=settings) as net:
            *six, spare = net.nodes
            steward = six[0]
            self.leave_out(steward, spare, six)
            net.nodes = six
            net.start()
            complete = lambda node: {name for name, peer in node.peers().items() if peer["connected"]}
            net.wait("all six are connected", lambda: all(len(complete(node)) == 5 for node in six), 60)
            net.wait_for_rounds(BEFORE, 60)

            seventh = self.newcomer(net, steward, spare)
            before = {node.name: self.life(node) for node in six}
            self.done("approve", "--dir", steward.directory, "seventh", "--json")
            self.assertEqual(kith("join", "--once", "--dir", seventh.directory).returncode, 0)
            seventh.configure(settings | {"log.format": "json"})
            net.nodes = [*six, seventh]
            seventh.start()
            known = lambda node: node.peers().get("seventh", {}).get("connected")
            net.wait("all six are connected with the seventh", lambda: all(known(node) for node in six), 60)
            net.wait("its first snapshot was averaged with", lambda: all(self.first_use(node) for node in six), 60)
            net.wait_for_rounds(AFTER, 60, six)

            for node in six:
                with self.subTest(node.name):
                    pid, worker, opened, connected, rounds = before[node.name]
                    self.assertEqual((pid, worker, opened), self.life(node)[:3], "it was started again")
                    peers = {event["peer"] for event in node.events("peer_connected")[connected:]}
                    self.assertEqual(peers, {"seventh"})
                    self.assertEqual(node.events("peer_disconnected"), [])
                    done = [event["round"] for event in node.events("round_finished")]
                    self.assertEqual(done, list(range(1, len(done) + 1)), "a round was repeated or left out")
                    heard, used = self.first_use(node)
                    self.assertLessEqual(used - heard, 1, "its first snapshot waited")
            for node in net.nodes:
                self.assertEqual(node.stop(), 0)

    @staticmethod
    def life(node):
        """Process, worker, how often its data were read; connections made; rounds."""
        status = node.status()
        return (
            status["pid"], status["worker_pid"], len(node.events("opened")), len(node.events("peer_connected")),
            len(node.events("round_finished")),
        )  # fmt: skip

    @staticmethod
    def first_use(node):
        """In which round the first snapshot of the seventh was here, and in which it was averaged with."""
        log = kith("log", "show", "--json", "--last", 100_000, "--dir", node.directory)
        entries = json.loads(log.stdout) if log.returncode == 0 else []
        heard = [one["for_round"] for one in entries if one["event"] == "loaded" and one["name"] == "seventh"]
        used = [
            one["round"] for one in entries
            if one["event"] == "averaged" and "seventh" in {member["name"] for member in one["members"]}
        ]  # fmt: skip
        return (heard[0], used[0]) if heard and used else None

    def leave_out(self, steward, spare, six):
        """All start without the last, whose place the newcomer takes."""
        propose = ["charter", "propose", "--json", "--dir", steward.directory, "--remove", spare.name]
        proposal = json.loads(self.done(*propose))["file"]
        for verb in ("sign", "merge"):
            self.done("charter", verb, "--dir", steward.directory, proposal)
        for node in six[1:]:
            self.done("charter", "merge", "--dir", node.directory, steward.directory / "charter.kith")

    def newcomer(self, net, steward, spare):
        """It has applied."""
        line = net.directory / "line"
        line.write_text(json.loads(self.done("invite", "--json", "--dir", steward.directory, "--for", "seventh"))["invite"])
        folder = spare.directory.parent / "seventh"
        data = {part: [spare.directory / file for file in spare.config()["data"][part]] for part in ("train", "test")}
        made = kith(
            "join", line, "--once", "--dir", folder, "--name", "seventh", "--listen", spare.config()["node"]["listen"][0],
            "--train", *data["train"], "--test", *data["test"],
        )  # fmt: skip
        self.assertEqual(made.returncode, testnet.TEMPFAIL, made.stderr)
        return Node(folder)


if __name__ == "__main__":
    testnet.main()
