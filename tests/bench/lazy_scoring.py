#!/usr/bin/env python3
"""Runs scenarios twice, scoring lazily and on all examples, and counts how often the decision about a peer is the same.

    tests/bench/lazy_scoring.py rotation iid            seed 1 of these scenarios
    tests/bench/lazy_scoring.py --seeds 1,2 rotation

A decision is one (node, round, peer) in which both runs scored the peer: admitted or not. The runs see the same data, seeds
and minibatches; once a decision differs they go different ways, and what follows from that counts as different too.
"""

import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "bench" / "scenarios"


def run(kith, scenario, out, seeds):
    command = [kith, "simulate", scenario, "--out", out, "--strategies", "lia", "--seeds", seeds]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return json.loads((out / "results.json").read_text())


def decisions(results):
    """Of each (seed, node, round, peer) that was scored in this round: whether it was admitted, and on how many examples."""
    return {(run["seed"], node["name"], report["round"], peer): (opinion["admitted"], opinion["newest"]["influence"]["examples"])
            for run in results["runs"] for node in run["nodes"] for report in node["rounds"]
            for peer, opinion in report["opinions"].items() if opinion["scored"] == report["round"]}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="+", help="the name of a file in tests/bench/scenarios, without .toml")
    parser.add_argument("--kith", default=ROOT / "build" / "release" / "bin" / "kith", type=pathlib.Path)
    parser.add_argument("--out", default=ROOT / "build" / "scenarios", type=pathlib.Path)
    parser.add_argument("--seeds", default="1")
    options = parser.parse_args()
    print("| scenario | decisions | the same | examples looked at | accuracy %, lazily and on all |\n| --- | ---: | ---: | ---: | --- |")
    for name in options.scenario:
        text = (FOLDER / f"{name}.toml").read_text()
        folder = options.out / f"{name}-full"
        folder.mkdir(parents=True, exist_ok=True)
        full_scenario = folder / "scenario.toml"
        full_scenario.write_text(text.replace("[learning]\n", "[learning]\nscore_confidence = 0\n"))
        lazy = run(options.kith, FOLDER / f"{name}.toml", options.out / f"{name}-lazy", options.seeds)
        full = run(options.kith, full_scenario, folder, options.seeds)
        ours, theirs = decisions(lazy), decisions(full)
        both = ours.keys() & theirs.keys()
        same = sum(ours[key][0] == theirs[key][0] for key in both)
        looked = sum(ours[key][1] for key in both) / sum(theirs[key][1] for key in both)
        accuracy = " and ".join(f"{100 * sum(line['accuracy'] for line in r['summary']) / len(r['summary']):.1f}"
                                for r in (lazy, full))
        print(f"| {name} | {len(both)} | {100 * same / len(both):.2f} % | {100 * looked:.0f} % | {accuracy} |", flush=True)


if __name__ == "__main__":
    main()
