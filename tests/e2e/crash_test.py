"""kill -9, at any moment, of a node or of its worker."""

import os
import random
import signal
import time
import unittest

import testnet
from testnet import SEED, Testnet

# The longest wait for a peer after publishing.  Whoever waits for a dead peer shows it by a round this long; no round
# is half as long otherwise, even on a busy machine.
GATHER = 10
SETTINGS = testnet.QUICK | {"learning.gather": f"{GATHER}s"}


class KilledNode(unittest.TestCase):
    def test_catches_up_by_itself_and_never_publishes_a_sequence_twice_and_nobody_stalls(self):
        chance = random.Random(SEED)
        with Testnet(nodes=4, groups=2, settings=SETTINGS | {"learning.strategy": "fedavg"}) as net:
            net.start()
            net.wait_for_rounds(3, 60)
            calm = max(event["at"] for event in net.nodes[0].events("round_finished"))
            net.wait_for_rounds(5, 60)
            for moment in self.moments(chance):
                victim = chance.choice(net.nodes)
                try:
                    self.kill_and_watch(net, victim, moment)
                except Exception as error:
                    error.add_note(f"{victim.name} was killed {moment.__doc__}")
                    raise

            for node in net.nodes:
                self.assertLess(longest_pause(node, calm), GATHER / 2, f"{node.name} stalled")
                sequences = [event["sequence"] for event in node.events("published")]
                self.assertEqual(sequences, sorted(set(sequences)), f"{node.name} published a sequence twice")
                self.assertEqual(node.events("peer_accused"), [])
                self.assertFalse(any(peer["quarantined"] for peer in node.peers().values()))
                self.assertEqual(node.stop(), 0)

    def test_a_third_of_the_nodes_that_die_at_once_delay_nobody(self):
        with Testnet(nodes=6, settings=SETTINGS | {"learning.strategy": "fedavg"}) as net:
            net.start()
            net.wait_for_rounds(3, 60)
            calm = max(event["at"] for node in net.nodes for event in node.events("round_finished"))
            victims, others = net.nodes[:2], net.nodes[2:]
            for victim in victims:
                victim.kill()
            net.wait_for_rounds(8, 60, others)
            for node in others:
                self.assertLess(longest_pause(node, calm), GATHER / 2, f"{node.name} stalled")
                self.assertFalse(any(node.peers()[victim.name]["connected"] for victim in victims))

    def kill_and_watch(self, net, victim, moment):
        others = [node for node in net.nodes if node is not victim]
        moment(net, victim)
        victim.kill()
        lives = len(victim.events("opened"))
        done = max((event["round"] for event in victim.events("round_finished")), default=0)
        last = max(event["sequence"] for event in victim.events("published"))
        net.wait_for_rounds(2, 30, others)  # without it
        victim.start()
        net.wait(f"{victim.name} opens its state", lambda: len(victim.events("opened")) > lives, 30)
        resumed = victim.events("opened")[-1]["round"]
        self.assertGreaterEqual(resumed, done, "a finished round was lost")
        self.assertLessEqual(resumed, done + 1)

        def caught_up():
            seen = [node.peers()[victim.name] for node in others]
            own = victim.peers().values()
            return (
                all(peer["connected"] for peer in [*seen, *own])
                # They have, and average with, what it made after its return; and it with theirs.
                and all(peer["averaged"] and peer["snapshot"]["sequence"] > last + 1 for peer in seen)
                and all(peer["averaged"] and peer["snapshot"]["arrived_in_round"] > resumed for peer in own)
            )

        net.wait(f"{victim.name} catches up", caught_up, 30)

    @staticmethod
    def moments(chance):
        def in_phase(phase):
            def moment(net, victim):
                net.wait(f"{victim.name} is {phase}", lambda: victim.status()["phase"] == phase, 30)

            moment.__doc__ = f"while {phase}"
            return moment

        def just_published(net, victim):
            """just after it published"""
            before = len(victim.events("published"))
            net.wait(f"{victim.name} publishes", lambda: len(victim.events("published")) > before, 30)

        def any_moment(net, victim):
            """at any moment"""
            net.wait_for_rounds(1, 30, [victim])
            time.sleep(chance.uniform(0, 0.4))

        return [in_phase("training"), just_published, in_phase("choosing"), any_moment, any_moment, any_moment]


def longest_pause(node, since):
    """Between two rounds that it finished, in seconds, not counting the time in which it was dead."""
    births = [event["at"] for event in node.events("opened")] + [float("inf")]
    lives = [[e["at"] for e in node.events("round_finished") if since <= e["at"] and birth <= e["at"] < next_birth]
             for birth, next_birth in zip(births, births[1:])]  # fmt: skip
    return max(after - before for life in lives for before, after in zip(life, life[1:]))


class KilledWorker(unittest.TestCase):
    def test_is_started_again_from_the_last_checkpoint(self):
        chance = random.Random(SEED)
        with Testnet(nodes=2, settings=SETTINGS | {"learning.strategy": "fedavg", "learning.gather": "2s"}) as net:
            net.start()
            victim = net.nodes[0]
            for kill in range(1, 3):
                net.wait_for_rounds(2, 60)
                time.sleep(chance.uniform(0, 0.3))
                worker = victim.status()["worker_pid"]
                os.kill(worker, signal.SIGKILL)
                net.wait("another worker", lambda: len(victim.events("opened")) == 1 + kill, 30)
                lost = victim.events("worker_lost")
                self.assertEqual(len(lost), kill)
                done = [e["round"] for e in victim.events("round_finished") if e["at"] <= lost[-1]["at"]]
                opened = victim.events("opened")[-1]
                self.assertIn(opened["round"], (done[-1], done[-1] + 1))
                self.assertNotEqual(opened["worker"], worker)
                net.wait_for_rounds(2, 30)
            # The network process never left: nobody lost a connection.
            self.assertEqual(net.nodes[1].events("peer_disconnected"), [])
            self.assertEqual(net.nodes[1].events("peer_accused"), [])
            sequences = [event["sequence"] for event in victim.events("published")]
            self.assertEqual(sequences, sorted(set(sequences)))

    def test_that_cannot_stay_alive_ends_the_node_with_a_sentence(self):
        with Testnet(nodes=2, settings={"worker.command": "/bin/false", "worker.restart_limit": 1}) as net:
            ended = net.nodes[0].run_to_end()
            self.assertEqual(ended.returncode, 70)
            self.assertRegex(ended.stderr, r"kith: the worker was lost 2 times in a row \(.+\); see its messages above")


if __name__ == "__main__":
    testnet.main()
