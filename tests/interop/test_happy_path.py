"""A kith node and the Python peer get along: everything that docs/protocol.md says of nodes that behave."""
import json
import math
import random
import socket
import struct
import time

import scene as stage
import kith_peer
import pytest
from nacl.exceptions import CryptoError
from scene import SHAPES, Scene
from kith_peer import (
    CHUNK, MANIFEST, VERSION, Admission, CardList, Cards, CharterHead, CharterVersion, CharterWanted, Evidence, Fetch,
    Have, Head, Heads, Hello, Holding, Identity, Manifest, Ping, TaskManifest, Wanted, digest, node_id, write_tensors,
)  # fmt: skip

PATIENCE = 60  # seconds for what the node does at its own pace, on a busy machine


@pytest.fixture(scope="module")
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture(scope="module")
def scene(listener):
    names = "dialled caller asker versatile splitter rekeyer renewed source reader bystander late busy liar".split()
    with Scene(names, {"dialled": listener.getsockname()[1]}) as scene:
        yield scene


@pytest.fixture(scope="module")
def values(scene):
    """A model that the task allows: the node's own newest, as a member reads it."""
    with scene.join("bystander") as link:
        return fetch_newest(scene, link).open(link.peer.identity, scene.encoding)


def fetch_newest(scene, link):
    """The node's newest snapshot; it keeps two, so there is time."""
    link.wait("the node's head", lambda: link.peer.newest(scene.itself.node_key), PATIENCE)
    return link.fetch_snapshot(link.peer.newest(scene.itself.node_key))


def test_charter_made_in_python_is_followed(scene):
    shown = json.loads(scene.kith("charter", "show", "--json", "--dir", scene.node.directory))
    assert shown["number"] == 2
    assert {member["id"] for member in shown["members"]} == {node_id(card.node_key) for card in scene.readers}


def test_charter_file_of_the_node_is_read_in_python(scene):
    written = scene.written()
    assert written.versions == [scene.signed(version) for version in (scene.first, scene.charter)]
    assert {card.name for card in written.cards} >= scene.identities.keys()
    assert all(card.sound() for card in written.cards)
    assert (written.rivals, written.settled) == ([], 0)


def test_newer_versions_of_the_charter_are_asked_for_followed_and_handed_out():
    """Those between as well, in order; and the members whom they name are members at once."""
    with Scene(["teller", "reader"]) as scene:
        newcomer = Identity("newcomer")
        versions = [scene.first, scene.charter, scene.successor(scene.charter)]
        versions.append(scene.successor(versions[-1], members=[*scene.charter.members, newcomer.member()]))
        versions.append(scene.successor(versions[-1]))
        places = [CharterHead.of(version) for version in versions]
        signed = [scene.signed(version) for version in versions]
        with scene.join("teller") as teller, scene.join("reader") as other:
            teller.wait("what it follows", lambda: teller.told_charter == places[1])
            teller.charters = {version.number: each for version, each in zip(versions, signed)}
            for newest in (2, 4):
                teller.send(places[newest])
                teller.wait("it follows", lambda: teller.told_charter == places[newest])
            assert scene.until("it says so", lambda: scene.followed() == 5)
            assert scene.told("teller")["charter"]["state"] == "ours"
            other.wait("all are told", lambda: other.told_charter == places[4])
        with kith_peer.Peer(newcomer, scene.founded, scene.task).dial(scene.node.port, scene.itself) as link:
            link.ping()
        with scene.join("reader") as reader:
            for number in (4, 1):
                reader.send(CharterWanted(number))
                reader.wait("the version", lambda: signed[number - 1] in reader.given_charters)
            reader.send(CharterWanted(6), CharterWanted(0))
            reader.ping()
            assert len(reader.given_charters) == 2
        assert scene.written().versions == signed
        scene.restart()
        assert scene.until("it follows it still", lambda: scene.followed() == 5)


def test_next_version_is_taken_unasked_and_who_is_expelled_is_told():
    with Scene(["teller", "expelled"]) as scene:
        members = [member for member in scene.charter.members if member.name != "expelled"]
        third = scene.signed(scene.successor(scene.charter, members=members))
        with scene.join("teller") as teller, scene.join("expelled") as expelled:
            teller.ping(), expelled.ping()
            teller.send(CharterVersion(third))
            assert expelled.end() == "not_a_member"
            teller.wait("it follows", lambda: teller.told_charter.number == 3)
        assert scene.until("it says so", lambda: scene.followed() == 3)
        with scene.join("expelled", greet=False) as link:
            link.send(link.own_hello())
            assert link.end() == "not_a_member"


def test_expelled_member_is_handed_the_version_that_does_so():
    with Scene(["expelled"]) as scene:
        members = [member for member in scene.charter.members if member.name != "expelled"]
        third = scene.signed(scene.successor(scene.charter, members=members))
        with scene.join("expelled") as expelled:
            expelled.ping()
            scene.kith("charter", "merge", "--dir", scene.node.directory,
                       scene.write_charter(scene.first, scene.charter, third))  # fmt: skip
            expelled.wait("the version", lambda: expelled.given_charters == [third])
            assert expelled.end() == "not_a_member"


def test_card_is_in_force_at_once_and_the_others_hear_of_it(scene):
    """Another channel key, and another address, by a signature of the node key alone."""
    before = scene.identities["renewed"]
    renewed = scene.renew("renewed", addresses=["elsewhere.example:7000"])
    card = renewed.card()
    with scene.join("reader") as reader:
        reader.wait("its list", lambda: reader.told_cards is not None)
        assert card.id() not in reader.told_cards
        for _ in range(2):  # it shows it each time
            with renewed.dial(scene.node.port, scene.itself) as link:
                link.ping()
        reader.wait("the news", lambda: card in reader.given_cards)
        assert reader.given_cards.count(card) == 1
    assert len(scene.log("peer_renewed", "renewed")) == 1

    # What is published from now on is sealed to the new key.
    def sealed_anew():
        with scene.join("late") as late:
            late.wait("the node's head", lambda: late.peer.newest(scene.itself.node_key), PATIENCE)
            newest = late.peer.newest(scene.itself.node_key)
            manifest = Manifest.decode(late.fetch(newest.id(), MANIFEST))
        sealed = next(key.sealed for key in manifest.keys if key.reader == before.node_key)
        try:
            return renewed.identity.unseal(sealed)
        except CryptoError:
            return None

    scene.until("a snapshot is sealed to the new key", sealed_anew, PATIENCE)

    # Who connects later is sent what it lacks; the former key is nobody's, and who has it is shown the newest card.
    with scene.join("late") as late:
        late.wait("its list", lambda: late.told_cards is not None)
        assert card.id() in late.told_cards
        late.send(CardList([each.id() for each in scene.readers if each.name != "renewed"]))
        late.wait("the card", lambda: card in late.given_cards)
    with scene.join("renewed", greet=False) as link:
        link.send(Cards([scene.cards["renewed"]]), link.own_hello())
        assert link.receive() == Cards([card])
        assert link.end() == "outdated_key"


def test_first_card_of_a_new_member_introduces_it_and_the_next_renews_it():
    with Scene(["honest"]) as scene, scene.join("honest") as honest:
        late = Identity("newcomer")
        members = [*scene.charter.members, late.member()]
        honest.send(CharterVersion(scene.signed(scene.successor(scene.charter, members=members))))
        scene.until("it is a member", lambda: scene.followed() == 3)
        honest.send(Cards([late.card(scene.founded)]))
        scene.until("its card is taken", lambda: scene.log("peer_introduced", "newcomer"))
        assert not scene.log("peer_renewed", "newcomer")
        late.use_channel(digest(b"another"))
        honest.send(Cards([late.card(scene.founded, issued=int(time.time()))]))
        scene.until("and the next", lambda: scene.log("peer_renewed", "newcomer"))
        assert len(scene.log("peer_introduced", "newcomer")) == 1
        entries = lambda: (scene.node.directory / "state" / "audit.log").read_text().splitlines()
        told = lambda: [entry["event"] for entry in map(json.loads, entries()) if entry.get("name") == "newcomer"]
        scene.until("both are on record", lambda: told() == ["introduced", "renewed"])


def test_connection_of_a_former_key_ends():
    with Scene(["renewed", "reader"]) as scene, scene.join("renewed") as old, scene.join("reader") as reader:
        old.ping()
        reader.send(Cards([scene.renew("renewed").card()]))
        assert old.end() == "outdated_key"
        reader.ping()


def test_card_may_be_left_out_by_who_knows_that_it_is_known(scene):
    with scene.join("caller", first=[]) as link:
        link.ping()


def test_who_learns_something_else_is_told_the_task_and_asked_for_its_own(scene):
    ours = "kith task\nname=other\n"
    with scene.join("splitter", greet=False) as link:
        link.send(link.own_hello(task=digest(ours.encode())))
        assert isinstance(link.receive(), Hello)
        told = link.receive()
        assert isinstance(told, TaskManifest) and digest(told.manifest.encode()) == scene.task
        link.send(TaskManifest(ours))
        assert link.end() == "other_task"
    differs = scene.told("splitter")["other_task"]
    assert {"field": "name", "ours": "interop", "theirs": "other"} in differs


def test_who_was_invited_applies_and_once_it_is_a_member_gets_the_charter_the_cards_and_the_task():
    with Scene(["member"]) as scene:
        invitation = scene.invite()
        assert (invitation.consortium, invitation.founded) == ("interop", scene.founded)
        assert (invitation.number, invitation.version) == (2, scene.charter.id())
        assert (invitation.inviter, invitation.channel_key) == (scene.itself.node_key, scene.itself.channel_key)
        assert (invitation.name, invitation.addresses) == ("tested", scene.itself.addresses)
        newcomer = Identity("newcomer")
        card = newcomer.card(scene.founded)
        with scene.knock(newcomer) as link:
            link.send(kith_peer.Apply(invitation.token, card))
            answer = link.receive()
            assert (answer.state, answer.number, answer.task) == (0, 0, "")
            assert link.end() == "not_a_member"
        pending = json.loads(scene.kith("pending", "--json", "--dir", scene.node.directory))
        assert [(one["state"], one["id"]) for one in pending] == [("applied", node_id(newcomer.node_key))]

        third = scene.successor(scene.charter, members=[*scene.charter.members, newcomer.member()])
        signed = [scene.signed(version) for version in (scene.first, scene.charter, third)]
        scene.kith("charter", "merge", "--dir", scene.node.directory, scene.write_charter(*signed))
        with scene.knock(newcomer) as link:
            link.send(kith_peer.Apply(invitation.token, card))
            answer = link.receive()
            assert isinstance(answer, Admission) and answer.state == 1
            cards = link.receive()
            assert isinstance(cards, Cards)
            assert {each.id() for each in cards.cards} == {each.id() for each in [*scene.readers, card]}
            for number, each in enumerate(signed, 1):
                link.send(CharterWanted(number))
                assert link.receive() == CharterVersion(each)
        assert (answer.number, answer.version) == (3, third.id())
        assert answer.task.startswith("[task]\n") and 'name = "interop"' in answer.task
        peer = kith_peer.Peer(newcomer, scene.founded, scene.task, [card])
        with peer.dial(scene.node.port, scene.itself) as link:
            link.ping()
            everybody = {one.node_key for one in third.members}
            link.wait("the cards of the others", lambda: set(link.peer.cards) == everybody)


def test_rival_of_the_charter_is_evidence_and_told_and_changes_nothing():
    with Scene(["teller", "reader", "later"]) as scene:
        newcomer = Identity("newcomer")
        members = scene.charter.members
        one = scene.successor(scene.charter)
        other = scene.successor(scene.charter, members=[*members[1:], newcomer.member()])
        with scene.join("teller") as teller, scene.join("reader") as reader:
            teller.charters = {version.number: scene.signed(version) for version in (scene.first, scene.charter, one)}
            teller.send(CharterHead.of(one))
            teller.wait("it follows", lambda: teller.told_charter == CharterHead.of(one))
            teller.charters[3] = scene.signed(other)
            teller.send(CharterHead.of(other))
            serve_together([teller, reader], lambda: reader.given_charters == [scene.signed(other)], PATIENCE)
        (rival,) = scene.until("the operator is told", scene.rivals)
        assert (rival["number"], rival["signed_twice"], rival["settled"]) == (3, ["steward"], False)
        assert scene.node.events("charter_contradicted")[-1]["signed_twice"] == "steward"
        scene.until("it is written", lambda: scene.written().rivals == [scene.signed(other)])
        scene.restart()
        assert len(scene.until("it knows still", scene.rivals)) == 1
        assert scene.written().versions[-1] == scene.signed(one)
        with scene.join("later") as later:
            later.wait("the evidence", lambda: later.given_charters == [scene.signed(other)])
            assert later.told_charter == CharterHead.of(one)

            # What the stewards sign next on the rival brings the node over: it outranks.
            fourth = scene.successor(other)
            chain = [scene.first, scene.charter, other, fourth]
            later.charters = {version.number: scene.signed(version) for version in chain}
            later.send(CharterHead.of(fourth))
            later.wait("it follows", lambda: later.told_charter == CharterHead.of(fourth), PATIENCE)
        assert scene.node.events("charter_received")[-1]["left_ours"]
        assert scene.until("it is written", lambda: scene.written().versions[-1] == scene.signed(fourth))
        assert scene.signed(one) in scene.written().rivals


def test_node_accepts_a_member_and_greets_it(scene):
    with scene.join("caller") as link:
        assert (link.hello.version, link.hello.oldest) == (VERSION, VERSION)
        assert link.hello.task == scene.task
        link.wait("its Summary", lambda: link.summaries > 0)
        link.ping()
        assert scene.until("it says so", lambda: scene.told("caller")["connected"])


def test_node_dials_a_member_and_is_who_it_should_be(scene, listener):
    with scene.peer("dialled").accept(listener, seconds=40) as link:
        assert link.remote == kith_peer.x25519(scene.itself.channel_key)
        assert link.given_cards[:1] == [scene.itself]
        assert link.hello.task == scene.task
        link.ping()
        assert scene.until("it says so", lambda: scene.told("dialled")["connected"])


def test_node_pings_after_hello(scene):
    with scene.join("caller") as link:
        pinged = []
        link.on_ping = pinged.append
        link.wait("its Ping", lambda: pinged)


def test_unknown_features_and_a_wider_range_of_versions_are_no_obstacle(scene):
    with scene.join("versatile", greet=False) as link:
        link.send(link.own_hello(version=VERSION + 7, oldest=1, features=1 << 63 | 1 << 40, agent="from the future"))
        assert isinstance(link.receive(), Hello)
        link.ping()


def test_messages_and_records_need_not_begin_together(scene):
    with scene.join("splitter") as link:
        tokens = list(range(100, 120))
        stream = b"".join(
            struct.pack("<I", 9) + kith_peer.encode_message(Ping(token)) for token in tokens
        )  # fmt: skip
        link.send_stream(stream, record=1)
        link.send_record(b"")
        link.send_stream(stream)
        link.wait("all Pongs", lambda: link.pongs == tokens * 2)


def test_channel_lives_through_rekeys_in_both_directions(scene):
    with scene.join("rekeyer") as link:
        for _ in range(2 * kith_peer.noise.REKEY_INTERVAL + 50):
            link.ping()
        assert min(link.records_sent, link.records_received) > 2 * kith_peer.noise.REKEY_INTERVAL


def test_two_connections_of_one_dialler_become_the_newer(scene):
    with scene.join("caller") as older, scene.join("caller") as newer:
        assert older.end() == "duplicate"
        newer.ping()


def test_two_connections_dialled_by_both_become_that_of_the_smaller_key(scene, listener):
    with scene.peer("dialled").accept(listener, seconds=40) as theirs, scene.join("dialled") as ours:
        smaller_is_ours = scene.identities["dialled"].node_key < scene.itself.node_key
        kept, ended = (ours, theirs) if smaller_is_ours else (theirs, ours)
        assert ended.end() == "duplicate"
        kept.ping()


def test_snapshot_of_the_node_is_a_model_that_python_reads(values):
    for name in sorted(SHAPES):
        count = math.prod(SHAPES[name])
        tensor, values = struct.unpack(f"<{count}f", values[: 4 * count]), values[4 * count :]
        assert all(map(math.isfinite, tensor)) and any(tensor), name
    assert not values


def test_manifest_of_the_node_is_sealed_to_every_member(scene):
    with scene.join("reader") as link:
        snapshot = fetch_newest(scene, link)
        head, manifest = Head.decode(snapshot.head.head), Manifest.decode(snapshot.manifest)
        assert (head.format, head.origin, head.task) == (3, scene.itself.node_key, scene.task)
        assert (head.founded, head.key) == (scene.founded, scene.itself.channel_key)
        assert head.size == 2 * sum(map(math.prod, SHAPES.values()))
        assert len(snapshot.chunks) == 4 and all(16 < len(chunk) < CHUNK for chunk in snapshot.chunks)
        assert {entry.reader for entry in manifest.keys} >= {
            identity.node_key for identity in scene.identities.values()
        }  # fmt: skip


def test_task_follows_from_the_documents_alone(scene):
    initial = write_tensors(initial_model(SHAPES, seed=stage.SETTINGS["task.seed"]))
    fields = {
        "name": "interop", "model": "mlp", "sizes": "1024", "input": "1,28,28", "classes": "10", "seed": "7",
        "learning_rate": "0.05", "momentum": "0.9", "weight_decay": "0", "batch": "32",
        "encoding": "bf16",
    }  # fmt: skip
    lines = "".join(f"{key}={fields[key]}\n" for key in sorted(fields))
    assert digest(f"kith task\n{lines}initial_model={digest(initial).hex()}\n".encode()) == scene.task


def test_node_fetches_a_snapshot_whole_and_averages_with_it(scene, values):
    with scene.join("source") as link:
        snapshot = scene.publish("source", values)
        link.peer.hold(snapshot)
        link.send(Heads([snapshot.head]))
        wait_until_it_has(link, snapshot)
        pieces = [piece for asked, piece in link.asked if asked == snapshot.id()]
        assert pieces[0] == MANIFEST
        assert sorted(pieces[1:]) == list(range(4))
        while not scene.told("source")["averaged"]:
            link.serve(0.2)
        assert scene.told("source")["snapshot"]["round"] == 1


def test_heads_are_flooded_and_snapshots_relayed(scene, values):
    with scene.join("source") as source, scene.join("reader") as reader:
        snapshot = scene.publish("source", values)
        source.peer.hold(snapshot)
        reader.wait("the Summary", lambda: reader.summaries)
        source.send(Heads([snapshot.head]))
        reader.wait("the head", lambda: snapshot.id() in reader.peer.heads)
        wait_until_it_has(source, snapshot)
        reader.send(Wanted(snapshot.id(), False))
        reader.wait("it says so to who asks", lambda: reader.known.get(snapshot.id()))
        relayed = reader.fetch_snapshot(snapshot.head)
        assert relayed.open(reader.peer.identity, scene.encoding) == values
        assert relayed == snapshot  # the bytes as they came
        assert snapshot.id() not in [head.id() for head in source.told_heads]


def test_summary_brings_the_heads_that_one_lacks(scene, values):
    with scene.join("source") as source:
        snapshot = scene.publish("source", values)
        source.peer.hold(snapshot)
        source.send(Heads([snapshot.head]))
        source.wait("it knows the head", lambda: snapshot.id() in source.ask_what_it_knows(), PATIENCE)
    with scene.join("late") as link:  # whoever comes later
        link.wait("the head", lambda: snapshot.id() in link.peer.heads)
        link.peer.heads.pop(snapshot.id())  # and whoever lost it
        assert snapshot.id() in link.ask_what_it_knows()
        link.wait("the head again", lambda: snapshot.id() in link.peer.heads)
        # The other way: what the node lacks is found by its Summary.
        own = scene.publish("late", values)
        link.peer.hold(own)
        link.wait("it knows ours", lambda: own.id() in link.ask_what_it_knows(), PATIENCE)


def test_node_fetches_from_who_has_a_part(scene, values):
    """Two have half of it each, and the origin is not there: each is asked for what it said that it has."""
    with scene.join("reader") as one, scene.join("caller") as other:
        snapshot = scene.publish("source", values)
        halves = {one: {0, 2}, other: {1, 3}}
        for link, numbers in halves.items():
            link.peer.hold(snapshot.only(numbers))
            link.send(Heads([snapshot.head]), Wanted(snapshot.id(), False))
        serve_together([one, other], lambda: one.known.get(snapshot.id()) and other.known.get(snapshot.id()), PATIENCE)
        for link, numbers in halves.items():
            assert snapshot.id() in link.wanted
            assert {piece for asked, piece in link.asked if asked == snapshot.id()} - {MANIFEST} == numbers


def test_node_serves_what_it_has_while_it_fetches_the_rest(scene, values):
    with scene.join("source") as source, scene.join("reader") as reader:
        snapshot = scene.publish("source", values)
        source.peer.hold(snapshot.only({1, 2}))
        reader.wait("the Summary", lambda: reader.summaries)
        source.send(Heads([snapshot.head]))
        reader.wait("the head", lambda: snapshot.id() in reader.peer.heads)
        reader.send(Wanted(snapshot.id(), False))
        serve_together([source, reader], lambda: reader.has.get(snapshot.id()) == {1, 2}, PATIENCE)
        assert not reader.known.get(snapshot.id())
        assert reader.fetch(snapshot.id(), MANIFEST) == snapshot.manifest
        assert reader.fetch(snapshot.id(), 2) == snapshot.chunks[2]
        assert reader.fetch(snapshot.id(), 0) == "unavailable"
        source.peer.hold(snapshot)
        source.send(Have(snapshot.id(), [0]), Holding(snapshot.id()))
        serve_together([source, reader], lambda: reader.known.get(snapshot.id()), PATIENCE)


def test_node_relays_what_it_does_not_want_itself(values):
    """It learns alone; whoever needs it gets what it would not have fetched."""
    with Scene(["source", "reader"], settings={"learning.strategy": "local"}) as scene:
        with scene.join("reader") as reader, scene.join("source") as source:
            snapshot = scene.publish("source", values)
            source.peer.hold(snapshot)
            source.send(Heads([snapshot.head]))
            reader.wait("the head", lambda: snapshot.id() in reader.peer.heads)
            serve_together([source, reader], lambda: scene.node.finished() > 5, PATIENCE)
            assert not source.asked
            reader.send(Wanted(snapshot.id(), True))
            serve_together([source, reader], lambda: reader.known.get(snapshot.id()), PATIENCE)
            source.close()
            assert reader.fetch_snapshot(snapshot.head) == snapshot


def test_evidence_is_passed_on_at_once_and_to_who_comes_later(scene, values):
    with scene.join("liar") as liar, scene.join("reader") as reader:
        reader.wait("the Summary", lambda: reader.summaries)
        heads = sorted((scene.publish("liar", values, log=7, round=i).head for i in (1, 2)), key=lambda head: head.head)
        liar.send(Evidence(*heads))
        reader.wait("the evidence", lambda: reader.peer.liars == {scene.identities["liar"].node_key})
    assert scene.until("the operator is told", lambda: scene.told("liar")["quarantined"])
    with scene.join("late") as link:
        link.wait("the evidence", lambda: link.peer.liars == {scene.identities["liar"].node_key})


def wait_until_it_has(link, snapshot):
    """Asks it: who did not say Wanted is not told."""
    end = time.monotonic() + PATIENCE
    while not link.ask_what_it_knows().get(snapshot.id()):
        assert time.monotonic() < end
        link.serve(0.2)


def serve_together(links, condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        for link in links:
            link.serve(0.02)


def test_more_requests_than_sixteen_are_told_to_wait(scene):
    with scene.join("busy") as link:
        link.wait("the node's head", lambda: link.peer.newest(scene.itself.node_key), PATIENCE)
        snapshot = link.peer.newest(scene.itself.node_key).id()
        answers = []
        link.on_piece = link.on_unavailable = answers.append
        link.send(*[Fetch(snapshot, random.randrange(4)) for _ in range(40)])
        link.wait("all answers", lambda: len(answers) == 40)
        busy = [answer for answer in answers if isinstance(answer, kith_peer.Unavailable)]
        assert 0 < len(busy) <= 40 - 16 and all(answer.busy for answer in busy)


@pytest.mark.parametrize("encoding", ["fp32", "int8"])
def test_other_encodings(encoding):
    with Scene(["member"], settings={"task.encoding": encoding}) as scene, scene.join("member") as link:
        values = fetch_newest(scene, link).open(link.peer.identity, encoding)
        assert len(values) == 4 * sum(map(math.prod, SHAPES.values()))
        link.peer.hold(scene.publish("member", values))
        link.send(Heads(list(link.peer.heads.values())))
        while not scene.told("member")["averaged"]:
            link.serve(0.2)


def test_node_says_goodbye_when_it_stops(scene):
    with scene.join("caller") as link:
        scene.node.process.terminate()
        assert link.end() == "shutting_down"
        assert scene.node.process.wait(10) == 0


# --- The initial model, from docs/worker-protocol.md and the C++ standard ------------------------


def initial_model(shapes, seed):
    generator = mt19937_64(seed_sequence([seed & 0xFFFFFFFF, seed >> 32], 624))
    tensors = {}
    for name in sorted(shapes):
        shape = shapes[name]
        if len(shape) == 1:
            values = [1.0 if name.endswith(".weight") else 0.0] * shape[0]
        else:
            columns = math.prod(shape[1:])
            length = math.sqrt(2) * (0.1 if name.startswith("output.") else 1)
            rows = [[2 * ((next(generator) >> 11) * 2**-53) - 1 for _ in range(columns)] for _ in range(shape[0])]
            group = min(64, columns)
            values = [value for begin in range(0, shape[0], group)
                      for row in orthogonal(rows[begin:begin + group], length) for value in row]  # fmt: skip
        tensors[name] = (shape, struct.pack(f"<{len(values)}f", *values))
    return tensors


def dot(row, other):
    total = 0.0  # not sum(), which later Pythons make more exact
    for one, two in zip(row, other):
        total += one * two
    return total


def orthogonal(rows, length):
    done, squares = [], []
    for row in rows:
        for earlier, square in zip(done, squares):
            share = dot(row, earlier) / square
            row = [value - share * other for value, other in zip(row, earlier)]
        factor = length / math.sqrt(dot(row, row))
        done.append([value * factor for value in row])
        squares.append(dot(done[-1], done[-1]))
    return done


def seed_sequence(seeds, count):
    """std::seed_seq::generate."""
    def mix(x):
        return (x ^ x >> 27) & 0xFFFFFFFF

    words = [0x8B8B8B8B] * count
    t = 11 if count >= 623 else 7
    p = (count - t) // 2
    q = p + t
    for k in range(max(len(seeds) + 1, count)):
        r = 1664525 * mix(words[k % count] ^ words[(k + p) % count] ^ words[(k - 1) % count]) & 0xFFFFFFFF
        words[(k + p) % count] = words[(k + p) % count] + r & 0xFFFFFFFF
        r += len(seeds) if k == 0 else k % count + (seeds[k - 1] if k <= len(seeds) else 0)
        words[(k + q) % count] = words[(k + q) % count] + r & 0xFFFFFFFF
        words[k % count] = r & 0xFFFFFFFF
    for k in range(max(len(seeds) + 1, count), max(len(seeds) + 1, count) + count):
        r = 1566083941 * mix(words[k % count] + words[(k + p) % count] + words[(k - 1) % count] & 0xFFFFFFFF)
        r &= 0xFFFFFFFF
        words[(k + p) % count] ^= r
        r = r - k % count & 0xFFFFFFFF
        words[(k + q) % count] ^= r
        words[k % count] = r
    return words


def mt19937_64(words):
    state = [words[i] | words[i + 1] << 32 for i in range(0, 624, 2)]
    mask = (1 << 64) - 1
    while True:
        for i in range(312):
            y = state[i] & mask << 31 & mask | state[(i + 1) % 312] & (1 << 31) - 1
            state[i] = state[(i + 156) % 312] ^ y >> 1 ^ (0xB5026F5AA96619E9 if y & 1 else 0)
        for x in state:
            x ^= x >> 29 & 0x5555555555555555
            x ^= x << 17 & 0x71D67FFFEDA60000
            x ^= x << 37 & 0xFFF7EEE000000000
            yield x ^ x >> 43
