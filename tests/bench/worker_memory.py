"""Where the memory of kith-worker goes, with a large model: what it holds after each request, and at most while it answers.

    KITH=build/release/bin/kith /usr/bin/python3 tests/bench/worker_memory.py [HIDDEN ...]

An mlp on Fashion-MNIST; HIDDEN are its layers, by default 3072 2304: 9.5 million numbers, 38 MB. What is said is the
resident memory beyond that of a worker of the smallest such model, in bytes a byte of the model: 1.0 is a copy of it.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

WORKER = pathlib.Path(os.environ["KITH"]).parent / "kith-worker"
TASK = {
    "name": "memory", "model": "mlp", "input": [1, 28, 28], "labels": [], "columns": [], "vocabulary": "", "vocabulary_hash": "",
    "words": 0, "classes": 10, "script": "", "share": ["*"], "freeze": [], "share_buffers": False, "seed": 1, "optimiser": "sgd",
    "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0, "gradient_clip": 0, "schedule": "constant", "schedule_rounds": 0,
    "warmup_rounds": 0, "label_smoothing": 0, "batch": 32, "loss": "", "metric": "", "class_weights": [], "target_range": [-1, 1],
}  # fmt: skip
PEERS = ["p1", "p2", "p3", "p4"]


class Worker:
    def __init__(self):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen([WORKER, "--fd", str(theirs.fileno())], pass_fds=[theirs.fileno()])
        theirs.close()
        self.id = 0

    def ask(self, op, file=None, **fields):
        """The file that came with the answer, or None; and bytes held then, and at most meanwhile."""
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")  # its peak begins anew
        self.id += 1
        text = json.dumps({"id": self.id, "op": op} | fields).encode()
        self.socket.send(text) if file is None else socket.send_fds(self.socket, [text], [file])
        while True:
            text, files, _, _ = socket.recv_fds(self.socket, 65536, 1)
            answer = json.loads(text)
            if "progress" not in answer:
                break
        if not answer["ok"]:
            sys.exit(f"{op}: {answer['error']}")
        status = dict(line.split(":", 1) for line in open(f"/proc/{self.process.pid}/status"))
        held, most = (1024 * int(status[name].split()[0]) for name in ("VmRSS", "VmHWM"))
        return files[0] if files else None, held, most


def round_of(hidden, data, state):
    """What each request of a round took: its name, bytes held after it, and at most."""
    worker, seen = Worker(), []

    def ask(called, op, file=None, **fields):
        answer, held, most = worker.ask(op, file, **fields)
        seen.append((called, held, most))
        return answer

    ask("open", "open", task=TASK | {"sizes": hidden}, data=data, state=state, threads=1, seed=1, score_examples=64, device="cpu", privacy=None)  # fmt: skip
    partial = ask("train, with the baseline", "train", round=1, epochs=2, baseline=True, pull=None, layers="all")
    for peer in PEERS:
        ask("load a peer's", "load", partial, peer=peer)
    ask("score", "score", peers=PEERS, examples=0)
    ask("try", "try", members=["self", *PEERS], weights=[1] * 5)
    ask("average", "average", members=["self", *PEERS], weights=[1] * 5)
    ask("keep", "keep", name="running_average", members=["averaged"], weights=[1])
    ask("score what is served", "score", peers=["averaged", "running_average", "baseline"], examples=0)
    ask("serve", "serve", members=["running_average"], weights=[1])
    os.close(ask("checkpoint", "checkpoint", round=1))
    os.close(partial)
    os.close(ask("train again", "train", round=2, epochs=2, baseline=True, pull=None, layers="all"))
    worker.socket.close()
    worker.process.wait(10)
    return seen


def main():
    hidden = [int(each) for each in sys.argv[1:]] or [3072, 2304]
    sizes = [784, *hidden, 10]
    model = 4 * sum(a * b + b for a, b in zip(sizes, sizes[1:]))
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run([os.environ["KITH"], "testnet", "create", f"{folder}/net", "--nodes", "2", "--groups", "1", "--images", "100"], stdout=subprocess.DEVNULL)  # fmt: skip
        made.check_returncode()
        node = pathlib.Path(folder) / "net" / "lia" / "node-1"
        import tomllib

        its = tomllib.loads((node / "kith.toml").read_text())["data"]
        at = lambda files: [str((node / file).resolve()) for file in files]
        data = {"train": at(its["train"]), "test": [], "validation_files": [], "validation": 0.25, "split": "content",
                "min_validation": 5, "split_key": "a", "group_pattern": ""}  # fmt: skip
        for state in ("small", "large"):
            os.mkdir(f"{folder}/{state}")
        small, large = round_of([1], data, f"{folder}/small"), round_of(hidden, data, f"{folder}/large")
    print(f"a model of {model / 1e6:.1f} MB, and copies of it that the worker\n{'':28}holds   held at most")
    for (name, held, most), (_, own, own_most) in zip(large, small):
        print(f"{name:28}{(held - own) / model:5.1f}   {(most - own_most) / model:5.1f}")
    print(f"{'at most':28}        {max(most - own for (_, _, most), (_, _, own) in zip(large, small)) / model:5.1f}")


if __name__ == "__main__":
    main()
