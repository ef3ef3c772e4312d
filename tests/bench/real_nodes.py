#!/usr/bin/env python3
"""Lets the sites of a data set learn together as what they would be: real nodes, from a task that nobody corrected.

    tests/bench/real_nodes.py ../shared/data/natural            every set in it
    tests/bench/real_nodes.py ../shared/data/raw/cars           one set: a folder with a folder for each site
    tests/bench/real_nodes.py ../shared/data/har                recordings, of which every fourth block is for the test

`kith task draft` drafts a task from each site's training file, and `kith task merge` makes them one; `kith init` makes a node of each
site over its files as they are, the founder admits the others (`kith charter`), and all run on loopback until each has finished its rounds.  Then
`kith status --json` says what each serves, beside training alone.  The environment variable KITH names the program.

What a command refuses is printed as it says it, and the set, or the site, is left out.
"""

import argparse
import collections
import json
import os
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

import har_blocks

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
from testnet import KITH, Node, kith  # noqa: E402

LOWER_IS_BETTER = {"mae", "rmse", "perplexity"}
LAST_MINUTES = 10  # for all rounds of a set


class Refused(Exception):
    """What a command said."""


def done(*arguments):
    """What `kith ARGUMENTS` prints."""
    made = kith(*arguments, seconds=300)
    if made.returncode != 0:
        raise Refused(f"kith {' '.join(map(str, arguments))}: {(made.stderr or made.stdout).strip()}")
    return made.stdout


# --- The files -----------------------------------------------------------------------------------


def sites_of(folder):
    """For each site its file to learn from, and its file to test on."""
    found = {}
    for train in sorted(folder.glob("*/train.*")):
        tests = sorted(train.parent.glob("test.*"))
        found[train.parent.name] = (train, tests[0] if tests else None)
    return found


def sets_of(folder, scratch):
    """The sets in a folder, or the folder itself, by name."""
    if sites_of(folder):
        return {folder.name: sites_of(folder)}
    if any(folder.glob("*.npz")):
        har_blocks.split(folder, scratch / folder.name)
        return {folder.name: sites_of(scratch / folder.name)}
    found = {inner.name: sites_of(inner) for inner in sorted(folder.iterdir()) if inner.is_dir()}
    return {name: sites for name, sites in found.items() if sites}


# --- The nodes -----------------------------------------------------------------------------------


def make_node(folder, name, files, *how):
    train, test = files
    held_out = ["--test", test] if test else []
    done("init", "--dir", folder / name, "--name", name, "--listen", f"127.0.0.1:{free_port()}", "--task", folder / "task.toml",
         "--train", train, *held_out, *how)  # fmt: skip
    return Node(folder / name)


def free_port():
    """Of this machine, and not given before."""
    free_port.last = getattr(free_port, "last", 20_000 + os.getpid() % 10_000) + 1
    return free_port.last


def make_consortium(folder, sites):
    """The nodes of those sites that could be read, as members of one consortium; and what the others were told."""
    nodes, refused = [], []
    for name, files in sites.items():
        how = ["--join", nodes[0].directory / "charter.kith"] if nodes else ["--consortium", folder.name]
        try:
            nodes.append(make_node(folder, name, files, *how))
        except Refused as why:
            refused.append(str(why))
    if len(nodes) < 2:
        raise Refused("\n".join([*refused, "fewer than two sites are left"]))
    first = nodes[0].directory
    cards = [node.directory / "node.card" for node in nodes[1:]]
    done("charter", "propose", "--dir", first, "--add", *cards, "--out", folder / "all.proposal")
    done("charter", "sign", "--dir", first, folder / "all.proposal")
    done("charter", "merge", "--dir", first, folder / "all.proposal")
    done("charter", "publish", "--dir", first, "--out", folder / "all.kith")
    for node in nodes[1:]:
        done("charter", "merge", "--dir", node.directory, folder / "all.kith")
    return nodes, refused


def learn(nodes, rounds):
    """Runs the nodes until each has finished so many rounds.  What each says in the end."""
    for node in nodes:
        node.configure({"learning.rounds": rounds, "log.format": "json"})
        node.start()
    end = time.monotonic() + 60 * LAST_MINUTES
    try:
        while time.monotonic() < end:
            time.sleep(0.5)
            ended = [node for node in nodes if not node.running()]
            if ended:
                raise Refused(f"{ended[0].name} ended: " + ended[0].log_lines()[-1])
            try:
                if all(node.finished() >= rounds for node in nodes):
                    break
            except OSError:
                continue  # no control socket yet
        return [json.loads(done("status", "--dir", node.directory, "--json")) for node in nodes]
    finally:
        for node in nodes:
            if node.running():
                node.process.terminate()
        for node in nodes:
            if node.process is not None:
                node.process.wait(20)


# --- What came of it -----------------------------------------------------------------------------


def numbers(status):
    """Of what a node serves, and of training alone: its metric on held-out examples, or else on those that validate."""
    last = status["last_round"]
    metric = last["metric"]
    models = last["models"]
    split = "test" if models[last["served"]].get("test") else "validation"
    return metric, models[last["served"]][split][metric], models["baseline"][split][metric]


def row(name, found, of, statuses, seconds):
    with_rounds = [status for status in statuses if status["last_round"]]
    said = [numbers(status) for status in with_rounds]
    metric = said[0][0]
    percent = 1 if metric in LOWER_IS_BETTER else 100
    sign = -1 if metric in LOWER_IS_BETTER else 1
    gains = [sign * percent * (served - alone) for _, served, alone in said]
    error = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else 0.0
    alone = percent * statistics.fmean(one[2] for one in said)
    partners = statistics.fmean(len(status["last_round"]["members"]) for status in with_rounds)
    rounds = min(status["finished_round"] for status in statuses)
    return (
        f"| {name} | {found} of {of} | {rounds} | {metric.replace('_', ' ')} | {alone:.1f} | {statistics.fmean(gains):+.1f} ± {error:.1f} |"
        f" {min(gains):+.1f} | {sum(gain < 0 for gain in gains)} | {partners:.1f} | {seconds:.0f} |"
    )


def draft(folder, name, sites, options):
    """One task of what each site drafts; what most guess to be the target is it.  What was noted."""
    drafts = {site: folder / f"{site}.toml" for site in sites}

    def made(site, *target):
        drafts[site].unlink(missing_ok=True)
        said = json.loads(done("task", "draft", sites[site][0], "--name", name, "--out", drafts[site], "--json", *options, *target))
        return said["target"]

    targets = {site: made(site) for site in sites}
    usual = collections.Counter(targets.values()).most_common(1)[0][0]
    for site, target in targets.items():
        if target != usual:
            made(site, "--target", usual)
    return json.loads(done("task", "merge", *drafts.values(), "--out", folder / "task.toml", "--json"))["notes"]


def run_set(name, sites, most, rounds, options):
    """Its row of the table, and what was refused."""
    chosen = dict(list(sites.items())[:most])
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="kith-real-"))
    try:
        folder = scratch / name
        folder.mkdir()
        for note in draft(folder, name, chosen, options):
            print(f"{name}: {note}", file=sys.stderr)
        nodes, refused = make_consortium(folder, chosen)
        begin = time.monotonic()
        statuses = learn(nodes, rounds)
        return row(name, len(nodes), len(sites), statuses, time.monotonic() - begin), refused
    except Refused as why:
        return None, [str(why)]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", type=pathlib.Path, nargs="+", help="a set, or a folder of sets")
    asked.add_argument("--rounds", type=int, default=10)
    asked.add_argument("--sites", type=int, default=8, help="at most so many sites of a set, the first by name")
    asked.add_argument("--target", help="the column to predict, as for kith task draft")
    options = asked.parse_args()
    if not os.access(KITH, os.X_OK):
        sys.exit("set the environment variable KITH to the kith program")
    draft = ["--target", options.target] if options.target else []
    print("| set | sites read | rounds | metric | alone | gain | least gain | sites below alone | partners | seconds |")
    print("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory(prefix="kith-real-") as scratch:
        for folder in options.folder:
            found = sets_of(folder.resolve(), pathlib.Path(scratch))
            if not found:
                sys.exit(f"{folder} has no site: no folder in it has a file train.*")
            for name, sites in found.items():
                line, refused = run_set(name, sites, options.sites, options.rounds, draft)
                print(*([line] if line else []), *(f"{name}: {why}" for why in refused), sep="\n", flush=True)


if __name__ == "__main__":
    main()
