"""The worker's side of docs/worker-protocol.md, whatever the model and the data: keep this file, and replace model.py.

    Worker(pipe, Model, goal_of, tables).run()
"""

import errno
import fcntl
import hashlib
import json
import math
import os
import select
import socket
import struct
import sys
import threading
import time

import numpy as np

MESSAGE = 65536  # bytes of text
PREDICTED = 65536  # examples at once
TENSORS = 64  # in an answer of inspect
LARGEST = float(np.finfo(np.float32).max)  # JSON has no infinity
SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
OWN = ("self", "averaged", "baseline", "served")  # models of this node; every other name is a peer's, or was kept


class Refused(Exception):
    """A request that is not obeyed: who can do something about it, and a sentence that says what."""

    def __init__(self, kind, sentence):
        super().__init__(sentence)
        self.kind = kind


# --- The pipe ------------------------------------------------------------------------------------


class Pipe:
    def __init__(self, number):
        self.socket = socket.socket(fileno=number)

    def receive(self):
        """A message and its file, or None; nothing once kith has hung up, or broken the limits."""
        text, files, flags, _ = socket.recv_fds(self.socket, MESSAGE, 2)
        if text and len(files) <= 1 and not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            return text, files[0] if files else None
        for each in files:
            os.close(each)
        return None

    def send(self, message, content=None):
        text = json.dumps(message, allow_nan=False).encode()
        try:
            if content is None:
                self.socket.send(text)
            else:
                file = sealed(content)
                socket.send_fds(self.socket, [text], [file])
                os.close(file)
        except (BrokenPipeError, ConnectionResetError):
            os._exit(0)

    def end_with(self):
        """From now on this process ends with the pipe, whatever it is doing."""

        def wait():
            closed = select.poll()
            closed.register(self.socket, 0)  # POLLHUP is always told
            closed.poll()
            os._exit(0)

        threading.Thread(target=wait, daemon=True).start()


def sealed(content):
    file = os.memfd_create("kith", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(file, "wb", closefd=False) as out:
        out.write(content)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, SEALS)
    return file


def content_of(file, size):
    """The bytes of a file that nobody can change any more, and that has this size."""
    if file is None:
        raise Refused("software", "a file was to come with this request")
    try:
        seals = fcntl.fcntl(file, fcntl.F_GET_SEALS)
    except OSError:
        seals = 0
    if seals & SEALS != SEALS:
        raise Refused("data", "the file that came with the request is not sealed")
    if os.fstat(file).st_size != size:
        raise Refused("data", f"the file that came has {os.fstat(file).st_size} bytes, not {size}")
    with open(file, "rb", closefd=False) as content:
        content.seek(0)
        return content.read()


# --- Snapshots -----------------------------------------------------------------------------------


def header_of(tensors, metadata=None):
    """Of a safetensors file of these names and shapes, sorted by name."""
    entries, offset = {"__metadata__": metadata} if metadata else {}, 0
    for name, shape in tensors:
        end = offset + 4 * math.prod(shape)
        entries[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def read_safetensors(content):
    """Header and values of a file of our own; ValueError or KeyError if it is none."""
    if len(content) < 8:
        raise ValueError("too short")
    start = 8 + struct.unpack("<Q", content[:8])[0]
    if start > len(content) or (len(content) - start) % 4:
        raise ValueError("cut off")
    return json.loads(content[8:start]), np.frombuffer(content, "<f4", offset=start)


def hash_of(content):
    return hashlib.blake2b(content, digest_size=32).hexdigest()


# --- Requests ------------------------------------------------------------------------------------

COUNT, NUMBER, TEXT, FLAG, LIST, OBJECT, ANY = "a count", "a number", "a text", "true or false", "a list", "an object", ""
TASK = {
    "model": TEXT, "sizes": LIST, "input": LIST, "labels": LIST, "columns": LIST, "classes": COUNT, "share": LIST, "freeze": LIST,
    "seed": COUNT, "optimiser": TEXT, "learning_rate": NUMBER, "momentum": NUMBER, "weight_decay": NUMBER,
    "gradient_clip": NUMBER, "schedule": TEXT, "schedule_rounds": COUNT, "warmup_rounds": COUNT, "label_smoothing": NUMBER,
    "batch": COUNT, "loss": TEXT, "class_weights": LIST, "target_range": LIST,
}  # fmt: skip
DATA = {
    "train": LIST, "test": LIST, "validation_files": LIST, "validation": NUMBER, "split": TEXT, "min_validation": COUNT,
    "split_key": TEXT,
}  # fmt: skip
MIXTURE = {"members": LIST, "weights": LIST}
FIELDS = {
    "open": {"task": OBJECT, "data": OBJECT, "state": TEXT, "threads": COUNT, "seed": COUNT, "score_examples": COUNT,
             "device": TEXT, "privacy": ANY},
    "spend": {"round": COUNT, "epochs": COUNT},
    "train": {"round": COUNT, "epochs": COUNT, "baseline": FLAG, "pull": ANY, "layers": TEXT},
    "load": {"peer": TEXT},
    "forget": {"peer": TEXT},
    "score": {"peers": LIST, "examples": COUNT},
    "try": MIXTURE,
    "average": MIXTURE,
    "keep": {"name": TEXT} | MIXTURE,
    "graft": {"name": TEXT, "from": TEXT, "onto": TEXT, "layers": TEXT},
    "refine": {"name": TEXT, "start": TEXT, "round": COUNT, "epochs": COUNT, "share": NUMBER, "layers": TEXT, "pull": ANY},
    "initial": {"name": TEXT, "seed": COUNT},
    "measure": {"members": LIST, "split": TEXT},
    "distance": {"from": TEXT, "members": LIST},
    "gradient": {"member": TEXT, "seed": COUNT, "first": COUNT, "count": COUNT},
    "outcomes": {"member": TEXT, "split": TEXT},
    "evaluate": {"model": TEXT, "split": TEXT},
    "predict": {"model": TEXT, "examples": COUNT},
    "inspect": {"first": COUNT, "batches": COUNT},
    "serve": MIXTURE,
    "checkpoint": {"round": COUNT},
}  # fmt: skip


def check(what, fields):
    """Refuses an object that lacks one of these fields, or has something else in it."""
    for name, kind in fields.items():
        if name not in what:
            raise Refused("software", f'the field "{name}" is missing')
        value = what[name]
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits = {
            COUNT: number and isinstance(value, int) and 0 <= value < 2**64,
            NUMBER: number and math.isfinite(value),
            TEXT: isinstance(value, str),
            FLAG: isinstance(value, bool),
            LIST: isinstance(value, list),
            OBJECT: isinstance(value, dict),
            ANY: True,
        }
        if not fits[kind]:
            raise Refused("software", f'the field "{name}": {kind} is wanted')


def require(holds, kind, sentence):
    if not holds:
        raise Refused(kind, sentence)


# --- The worker ----------------------------------------------------------------------------------


class Worker:
    """Answers kith's requests, one at a time. A request that fails changes nothing: models are put in place last.

    Every model is one vector, all its tensors one after another by name; what travels are the places `self.shared` of it.
    """

    def __init__(self, pipe, model_of, goal_of, data, guards=()):
        self.pipe, self.model_of, self.goal_of, self.data, self.guards = pipe, model_of, goal_of, data, list(guards)
        self.task = None  # none is open
        self.request = 0

    def run(self):
        np.seterr(all="ignore")  # a peer's model may be absurd: what comes of it is looked at
        while message := self.pipe.receive():
            text, file = message
            answer, content = self.answer(text, file)
            if file is not None:
                os.close(file)
            self.pipe.send({"id": self.request} | answer, content)

    def answer(self, text, file):
        """The answer to a message, and what goes with it in a file, or None."""
        self.request = 0
        try:
            asked = self.parse(text)
            needs_no_data = asked["op"] in ("open", "predict", "inspect", "forget")
            require(asked["op"] == "open" or self.task, "software", "no task is open; send open first")
            require(needs_no_data or self.learns, "config", "this worker was opened without examples; name some in data.train")
            answer, content = getattr(self, "op_" + asked["op"])(asked, file)
            return {"ok": True} | answer, content
        except Refused as refused:
            kind, sentence = refused.kind, str(refused)
        except MemoryError:
            kind, sentence = "memory", "there is not enough memory; give this machine more, or lower task.batch"
        except OSError as error:
            kind = {errno.EACCES: "permission", errno.EPERM: "permission", errno.EIO: "disk", errno.ENOSPC: "disk"}.get(error.errno, "data")
            sentence = f"{error}; see that it can be read"
        except Exception as error:  # a bug, here or in kith
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            kind, sentence = "software", f"{type(error).__name__}: {error}"
        return {"ok": False, "kind": kind, "error": sentence[:2000]}, None

    def parse(self, text):
        def no_number(text):
            raise ValueError(text)

        try:
            asked = json.loads(text, parse_constant=no_number)
        except (ValueError, RecursionError):
            asked = None
        require(isinstance(asked, dict), "software", "a request is one JSON object")
        check(asked, {"id": COUNT})
        self.request = asked["id"]
        check(asked, {"op": TEXT})
        require(asked["op"] in FIELDS, "software", f"the operation \"{asked['op'][:32]}\" is not known")
        check(asked, FIELDS[asked["op"]])
        return asked

    def tell(self, phase, epoch, epochs, train_loss=0.0, validation=None):
        self.told = time.monotonic()
        progress = {"phase": phase, "epoch": epoch, "epochs": epochs, "train_loss": finite(train_loss)}
        if validation:
            progress["validation"] = validation
        self.pipe.send({"id": self.request, "progress": progress})

    # Opening.

    def op_open(self, asked, file):
        require(not self.task, "software", "a task is open already; start another worker")
        task, data = asked["task"], asked["data"]
        check(task, TASK)
        check(data, DATA)
        require(task["share"] == ["*"] and not task["freeze"], "config", "this worker shares all that it trains; leave task.share and task.freeze out")
        require(asked["privacy"] is None, "config", "this worker cannot train privately; set privacy.noise to 0")
        require(asked["device"] != "cuda", "config", "this worker computes on the CPU only; set worker.device to \"cpu\"")
        require(asked["threads"] > 0, "config", "threads must be at least 1")
        require(asked["score_examples"] > 0, "config", "score_examples must be at least 1")
        require(task["batch"] > 0, "config", "task.batch must be at least 1")
        require(os.path.isdir(asked["state"]), "config", f"the state directory {asked['state']} is not there; make it")
        goal, inputs = self.goal_of(task), self.data.inputs(task)
        model = self.model_of(task, inputs)
        parts, seen = self.read(task, data)

        places = np.concatenate([np.full(math.prod(shape), role == "shared") for _, shape, role in model.tensors])
        initial = self.vector(model, model.initial(task["seed"]))
        schema = lambda role: [(name, shape) for name, shape, its in model.tensors if its == role]
        first = header_of(schema("shared")) + initial[places].tobytes()
        frozen = hash_of(header_of(schema("frozen")) + initial[~places].tobytes()) if schema("frozen") else ""
        words = json.dumps({name: task[name] for name in TASK}, sort_keys=True)
        stored = self.stored(asked["state"], model, hash_of((words + hash_of(first) + frozen).encode()), initial)

        self.model, self.goal, self.parts, self.shared, self.header = model, goal, parts, places, header_of(schema("shared"))
        self.initial, self.seed, self.peers, self.partial = initial, asked["seed"], {}, None
        self.task, self.inputs, self.learns, self.seen = task, inputs, bool(seen), seen
        self.identity, resumed = stored["task"], stored["round"] > 0 or stored["resumed"]
        self.averaged, self.baseline, self.served = stored["models"]
        scored = parts["validation"].some(range(min(asked["score_examples"], len(parts["validation"])))) if seen else None
        self.parts["scored"] = scored
        validation = parts["validation"].y
        return {
            "parameters": len(initial), "classes": task["classes"],
            "train": len(parts["train"]), "validation": len(validation), "test": len(parts["test"]),
            "scored": len(scored) if seen else 0,
            "round": stored["round"], "resumed": resumed, "frozen": frozen, "guards": self.guards,
            "remarks": [f"the data are not those of round {stored['round']}"] if resumed and seen and stored["data"] != seen else [],
            "unknowable": ["which model tells classes apart, since all that validates is of one class"]
                          if seen and task["classes"] > 1 and len(set(validation.tolist())) == 1 else [],
        }, first  # fmt: skip

    def read(self, task, data):
        """Examples by part, and one text for all that is learnt from: empty if nothing is."""
        named = data["train"] + data["validation_files"] + data["test"]
        if not named:
            nothing, _ = self.data.read([], task)
            return {"train": nothing, "validation": nothing, "test": nothing}, ""
        rows, times = self.data.read(data["train"], task)
        train, validation = self.data.divide(rows, times, data)
        if data["validation_files"]:
            train, (validation, _) = rows.some(range(len(rows))), self.data.read(data["validation_files"], task)
        test, _ = self.data.read(data["test"], task)
        require(len(train) > 0, "data", "there are no examples to learn from; name others in data.train")
        least = max(data["min_validation"], 1)
        require(len(validation) >= least, "data", f"there are {len(validation)} validation examples, and {least} are wanted; name more examples")
        return {"train": train, "validation": validation, "test": test}, self.data.fingerprint(rows)

    # Models.

    def vector(self, model, tensors):
        return np.concatenate([np.asarray(tensors[name], np.float32).ravel() for name, _, _ in model.tensors])

    def tensors(self, vector):
        """By name, as the model takes them."""
        found, at = {}, 0
        for name, shape, _ in self.model.tensors:
            size = math.prod(shape)
            found[name] = vector[at : at + size].reshape(shape)
            at += size
        return found

    def member(self, name):
        if name == "self":
            require(self.partial is not None, "software", "there is no partial yet; train first")
            return self.partial
        if name in OWN:
            return getattr(self, name)
        require(isinstance(name, str) and name in self.peers, "software", f"no snapshot of {str(name)[:64]} is loaded; load it")
        return self.peers[name]

    def refuse_own(self, name):
        require(name not in OWN, "software", f'"{name}" is a model of our own, not a peer')

    def mean(self, members, weights):
        numbers = all(isinstance(each, (int, float)) and not isinstance(each, bool) and math.isfinite(each) for each in weights)
        require(members and len(members) == len(weights) and numbers, "software", "an average wants members, and a weight for each")
        require(min(weights) >= 0 and 0 < sum(weights) < math.inf, "software", "weights are not negative, and not all 0")
        total = np.zeros(len(self.initial))
        for name, weight in zip(members, weights):
            total += weight / sum(weights) * self.member(name)
        mean = total.astype(np.float32)
        mean[~self.shared] = self.initial[~self.shared]  # what is frozen stays so to the last bit
        return mean

    def snapshot(self, vector):
        return self.header + vector[self.shared].astype("<f4").tobytes()

    # Looking at examples.

    def part(self, split):
        require(split in ("train", "validation", "test"), "software", "split is train, validation or test")
        require(len(self.parts[split]) > 0, "data", f"there are no {split} examples")
        return self.parts[split]

    def answers(self, vector, x):
        tensors, at_once = self.tensors(vector), 1024
        found = []
        for start in range(0, len(x), at_once):
            found.append(self.model.answers(tensors, x[start : start + at_once]))
            self.give_sign_of_life()
        return np.concatenate(found)

    def begin(self, phase, epochs=1):
        self.phase, self.epoch, self.epochs, self.told = phase, 0, epochs, time.monotonic()

    def give_sign_of_life(self):
        if time.monotonic() - self.told >= 1:
            self.tell(self.phase, self.epoch, self.epochs)

    def losses(self, vector, examples):
        """Of each example, not weighted; the largest number if it is none."""
        losses = self.goal.losses(self.answers(vector, examples.x), examples.y)
        return np.where(np.isfinite(losses), losses, LARGEST)

    def evaluation(self, vector, examples):
        answers = self.answers(vector, examples.x)
        losses, weights = self.goal.losses(answers, examples.y), self.goal.weights_of(examples.y)
        metrics, confusion = self.goal.metrics(answers, examples.y)
        metrics = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        return {"loss": finite(losses @ weights / weights.sum()), "examples": len(examples), "metrics": metrics, "confusion": confusion}

    def row(self, vector):
        """Scores of all scored examples: of the first so many, who wants fewer takes the first."""
        examples = self.parts["scored"]
        losses = self.goal.losses(self.answers(vector, examples.x), examples.y)
        return self.goal.scores(losses, examples.y)

    # Training.

    def places(self, layers):
        """Which places of a model change: all that is trained, or the last layer, or the others."""
        require(layers in ("all", "last", "others"), "software", "layers is all, last or others")
        last = np.concatenate([np.full(math.prod(shape), name.startswith("output.")) for name, shape, _ in self.model.tensors])
        return self.shared & {"all": np.True_, "last": last, "others": ~last}[layers]

    def slope(self, vector, x, y):
        """The mean loss of these examples, and how it rises with each number of a model."""
        tensors = self.tensors(vector)
        slopes, loss = self.goal.slopes(self.model.answers(tensors, x), y)
        of_shared = self.model.gradient(tensors, x, slopes.astype(np.float32))
        whole = {name: of_shared[name] if role == "shared" else np.zeros(shape) for name, shape, role in self.model.tensors}
        return loss, self.vector(self.model, whole)

    def pull_of(self, asked):
        if asked["pull"] is None:
            return None
        check(asked["pull"], {"towards": TEXT, "strength": NUMBER})
        require(asked["pull"]["strength"] >= 0, "config", "the strength of a pull is below 0")
        return self.member(asked["pull"]["towards"]), np.float32(asked["pull"]["strength"])

    def rate(self, done):
        """The learning rate when so many rounds are behind this node."""
        task = self.task
        if done < task["warmup_rounds"]:
            return task["learning_rate"] * max(done / task["warmup_rounds"], 0.01)
        if task["schedule"] != "cosine":
            return task["learning_rate"]
        part = min((done - task["warmup_rounds"]) / (task["schedule_rounds"] - task["warmup_rounds"]), 1)
        return task["learning_rate"] * (0.01 + 0.99 * (1 + math.cos(math.pi * part)) / 2)

    def descend(self, start, asked, phase, share=1.0, pull=None, layers="all"):
        """Gradient descent from `start`: the best epoch's model, its number, evaluation, and the last epoch's loss."""
        round_, epochs, task, train = asked["round"], asked["epochs"], self.task, self.parts["train"]
        require(epochs > 0, "config", "epochs must be at least 1")
        changes = self.places(layers)
        vector, first, second, steps = start.copy(), np.zeros_like(start), np.zeros_like(start), 0
        count = max(1, min(len(train), math.ceil(share * len(train))))
        self.begin(phase, epochs)
        best = None
        for epoch in range(1, epochs + 1):
            order = np.random.default_rng([self.seed, round_, epoch]).permutation(len(train))[:count]
            total = 0.0
            for at in range(0, count, task["batch"]):
                some = order[at : at + task["batch"]]
                loss, slope = self.slope(vector, train.x[some], train.y[some])
                total += loss * len(some)
                if pull:
                    slope += pull[1] * (vector - pull[0])
                slope *= changes
                length = float(np.linalg.norm(slope))
                if 0 < task["gradient_clip"] < length:
                    slope *= np.float32(task["gradient_clip"] / length)
                rate = self.rate(round_ - 1 + (epoch - 1 + at / count) / epochs)
                steps += 1
                if task["optimiser"] == "adamw":
                    vector -= np.float32(rate * task["weight_decay"]) * vector * changes
                    first += np.float32(1 - task["momentum"]) * (slope - first)
                    second += np.float32(0.001) * (slope**2 - second)
                    mean, spread = first / (1 - task["momentum"] ** steps), second / (1 - 0.999**steps)
                    vector -= (rate * mean / (np.sqrt(spread) + 1e-8)).astype(np.float32)
                else:
                    first = np.float32(task["momentum"]) * first + slope + np.float32(task["weight_decay"]) * vector * changes
                    vector -= np.float32(rate) * first
                self.give_sign_of_life()
            judged = self.evaluation(vector, self.parts["validation"])
            require(np.isfinite(vector).all() and judged["loss"] < LARGEST, "diverged",
                    f"training diverged in epoch {epoch}; lower task.learning_rate")  # fmt: skip
            self.epoch = epoch
            self.tell(phase, epoch, epochs, total / count, judged)
            if best is None or judged["loss"] < best[2]["loss"]:
                best = vector.copy(), epoch, judged
        return *best, finite(total / count)

    def op_train(self, asked, file):
        started = time.monotonic()
        partial, epoch, judged, loss = self.descend(self.averaged, asked, "partial", pull=self.pull_of(asked), layers=asked["layers"])
        alone = None
        if asked["baseline"]:
            baseline, _, alone, _ = self.descend(self.baseline, asked, "baseline")
            self.baseline = baseline
        self.partial = partial
        return {"best_epoch": epoch, "train_loss": loss, "validation": judged, "baseline": alone, "privacy": None,
                "seconds": time.monotonic() - started}, self.snapshot(partial)  # fmt: skip

    def op_refine(self, asked, file):
        self.refuse_own(asked["name"])
        require(asked["share"] > 0, "config", "share must be above 0")
        started = time.monotonic()
        refined, epoch, judged, loss = self.descend(
            self.member(asked["start"]), asked, "refining", asked["share"], self.pull_of(asked), asked["layers"]
        )
        self.peers[asked["name"]] = refined
        return {"best_epoch": epoch, "train_loss": loss, "validation": judged, "seconds": time.monotonic() - started}, None

    def op_gradient(self, asked, file):
        train, vector = self.parts["train"], self.member(asked["member"])
        order = np.random.default_rng([asked["seed"]]).permutation(len(train))
        some = order[min(asked["first"], len(train)) :][: asked["count"]]
        loss, slope = self.slope(vector, train.x[some], train.y[some]) if len(some) else (0.0, np.zeros_like(vector))
        require(np.isfinite(slope).all() and math.isfinite(loss), "diverged", f"the gradient of {asked['member']} is not finite")
        return {"loss": loss, "examples": len(some)}, self.snapshot(slope)

    def op_spend(self, asked, file):
        raise Refused("software", "training is not private; do not ask to count it")

    # Peers.

    def op_load(self, asked, file):
        self.refuse_own(asked["peer"])
        count = int(self.shared.sum())
        content = content_of(file, len(self.header) + 4 * count)
        values = np.frombuffer(content, "<f4", offset=len(self.header)).astype(np.float32)
        refuse = f"the snapshot of {asked['peer']} is refused: "
        require(content.startswith(self.header), "data", refuse + "it has other tensors")
        require(np.isfinite(values).all(), "data", refuse + "a value is not finite")
        values[np.abs(values) < np.finfo(np.float32).tiny] = 0  # they make some processors a hundred times as slow
        norm = lambda of: float(np.linalg.norm(of.astype(float)))
        known = max(norm(self.initial[self.shared]), norm(self.averaged[self.shared]))
        if known > 0 and norm(values) > 2 * known:
            require(norm(values) <= 10 * known, "data", refuse + "its norm is far above that of this node's model")
            values *= np.float32(2 * known / norm(values))
        peer = self.initial.copy()
        peer[self.shared] = values
        self.peers[asked["peer"]] = peer
        return {}, None

    def op_forget(self, asked, file):
        if self.task:
            self.peers.pop(asked["peer"], None)
        return {}, None

    def op_score(self, asked, file):
        started, scored = time.monotonic(), len(self.parts["scored"])
        models = [self.initial, self.member("self")] + [self.member(peer) for peer in asked["peers"]]
        examples = min(asked["examples"] or scored, scored)
        self.begin("scoring", len(models))
        rows = []
        for vector in models:
            rows.append(self.row(vector)[:examples])
            self.epoch += 1
        return {"examples": examples, "seconds": time.monotonic() - started}, b"".join(row.tobytes() for row in rows)

    def op_try(self, asked, file):
        started = time.monotonic()
        self.begin("scoring")
        row = self.row(self.mean(asked["members"], asked["weights"]))
        return {"examples": len(row), "seconds": time.monotonic() - started}, row.tobytes()

    def op_average(self, asked, file):
        self.begin("evaluating")
        mean = self.mean(asked["members"], asked["weights"])
        judged = self.evaluation(mean, self.parts["validation"])
        self.averaged = mean
        return judged, None

    def op_keep(self, asked, file):
        self.refuse_own(asked["name"])
        self.peers[asked["name"]] = self.mean(asked["members"], asked["weights"])
        return {}, None

    def op_graft(self, asked, file):
        self.refuse_own(asked["name"])
        self.peers[asked["name"]] = np.where(self.places(asked["layers"]), self.member(asked["from"]), self.member(asked["onto"]))
        return {}, None

    def op_initial(self, asked, file):
        self.refuse_own(asked["name"])
        drawn = self.vector(self.model, self.model.initial(asked["seed"]))
        self.peers[asked["name"]] = np.where(self.shared, drawn, self.initial)
        return {}, None

    def op_measure(self, asked, file):
        part, models = self.part(asked["split"]), [self.member(name) for name in asked["members"]]
        self.begin("measuring", len(models))
        return {"values": [float(self.losses(vector, part).mean()) for vector in models]}, None

    def op_distance(self, asked, file):
        start = self.member(asked["from"]).astype(float)
        return {"values": [float(np.linalg.norm(self.member(name) - start)) for name in asked["members"]]}, None

    # What is served, and what is kept.

    def op_evaluate(self, asked, file):
        require(asked["model"] in ("baseline", "averaged", "partial", "served"), "software", "that is no model to evaluate")
        self.begin("evaluating")
        vector = self.member("self" if asked["model"] == "partial" else asked["model"])
        return self.evaluation(vector, self.part(asked["split"])), None

    def op_outcomes(self, asked, file):
        part, vector, started = self.part(asked["split"]), self.member(asked["member"]), time.monotonic()
        self.begin("evaluating")
        right = self.goal.right(self.answers(vector, part.x), part.y)
        rows = self.losses(vector, part).astype("<f4").tobytes() + right.tobytes()
        return {"examples": len(part), "seconds": time.monotonic() - started}, rows

    def op_predict(self, asked, file):
        started, examples = time.monotonic(), asked["examples"]
        require(1 <= examples <= PREDICTED, "software", f"predict wants 1 to {PREDICTED} examples")
        require(asked["model"] in ("baseline", "averaged", "partial", "served"), "software", "that is no model to ask")
        x = np.frombuffer(content_of(file, 4 * examples * self.inputs), "<f4").reshape(examples, self.inputs)
        require(np.isfinite(x).all(), "data", "an input of predict is no finite number")
        self.begin("predicting")
        said = self.goal.said(self.answers(self.member("self" if asked["model"] == "partial" else asked["model"]), x))
        answer = {"examples": examples, "numbers": said.shape[1], "seconds": time.monotonic() - started}
        return answer, said.astype("<f4").tobytes()

    def op_inspect(self, asked, file):
        tensors = [{"name": name, "shape": list(shape), "parameter": True, "role": role} for name, shape, role in self.model.tensors]
        shape, seconds = [self.task["batch"], self.inputs], 0.0
        if asked["batches"] > 0:
            draw = np.random.default_rng(0)
            x = draw.uniform(-1, 1, shape).astype(np.float32)
            y = draw.integers(0, max(self.task["classes"], 1), shape[0])
            self.begin("trying batches", asked["batches"])
            for batch in range(asked["batches"] + 1):
                started = time.monotonic() if batch == 1 else 0.0 if batch == 0 else started
                self.slope(self.initial, x, y)
                self.give_sign_of_life()
            seconds = (time.monotonic() - started) / asked["batches"]
        return {"tensors": tensors[asked["first"] :][:TENSORS], "all": len(tensors), "batch": shape, "seconds": seconds}, None

    def op_serve(self, asked, file):
        self.served = self.mean(asked["members"], asked["weights"])
        return {}, None

    def op_checkpoint(self, asked, file):
        tensors = self.three_times(self.model)
        values = b"".join(vector.tobytes() for vector in (self.averaged, self.baseline, self.served))
        metadata = {"format": "python-worker 1", "round": str(asked["round"]), "task": self.identity, "data": self.seen}
        metadata["digest"] = hash_of(json.dumps([metadata, tensors]).encode() + values)
        content = header_of(tensors, metadata) + values
        return {"bytes": len(content)}, content

    def three_times(self, model):
        return [[f"{whose}.{name}", list(shape)] for whose in ("averaged", "baseline", "served") for name, shape, _ in model.tensors]

    def stored(self, state, model, identity, initial):
        """What the checkpoint holds that kith wrote, or what a first round begins with."""
        path = os.path.join(state, "checkpoint.safetensors")
        fresh = {"round": 0, "resumed": False, "task": identity, "data": "", "models": (initial, initial, initial)}
        try:
            with open(path, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return fresh
        damaged = f"the checkpoint {path} is damaged; move it away to start again from the initial model"
        try:
            header, values = read_safetensors(content)
            metadata = header["__metadata__"]
            tensors = [[name, header[name]["shape"]] for name in sorted(header) if name != "__metadata__"]
            said = metadata.pop("digest")
            require(said == hash_of(json.dumps([metadata, tensors]).encode() + values.tobytes()), "data", damaged)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Refused("data", damaged)
        other = f"{state} holds the state of another task; restore the [task] section, or begin with this one: kith task accept"
        require(metadata["task"] == identity and tensors == self.three_times(model), "config", other)
        models = np.split(values.astype(np.float32), 3)
        return fresh | {"round": int(metadata["round"]), "resumed": True, "data": metadata["data"], "models": models}


def finite(loss):
    return float(loss) if math.isfinite(loss) else LARGEST
