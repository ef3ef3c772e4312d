#!/usr/bin/env python3
"""Runs the demo for many seeds and prints what each came to, as a Markdown table: docs/results.md is made of it.

usage: demo_seeds.py KITH [SEEDS] [OPTION...]      for example: demo_seeds.py build/release/bin/kith 10
The exit status is 1 if any seed broke a promise of the demo.
"""
import json
import subprocess
import sys


def run(kith, seed, options):
    answer = subprocess.run([kith, "demo", "--json", "--seed", str(seed), *options], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)
    if answer.returncode not in (0, 1):
        sys.exit(f"kith demo --seed {seed} ended with status {answer.returncode}; run it alone to see why")
    return json.loads(answer.stdout)


def row(result):
    mean = result["mean"]
    accuracies = [f"{100 * mean[column]:.1f}" for column in ("alone", "global", "kith", "oracle")]
    worst = min(node["kith"] - node["alone"] for node in result["nodes"])
    return [str(result["seed"]), *accuracies, f"{100 * (mean['kith'] - mean['alone']):+.1f}",
            f"{mean['kith'] / mean['oracle']:.3f}", f"{100 * worst:+.1f}", f"{result['rand_index']:.2f}",
            f"{result['bytes'] / 2**20:.1f}", f"{result['seconds']:.0f}", "yes" if result["good"] else "NO"]


def main(kith, seeds="10", *options):
    columns = ["seed", "alone", "one global", "Kith", "true groups", "gain", "Kith / true groups", "worst node's gain",
               "Rand index", "MiB sent", "seconds", "all promises kept"]
    print("| " + " | ".join(columns) + " |\n|" + " ---: |" * len(columns), flush=True)
    good = True
    for seed in range(1, int(seeds) + 1):
        result = run(kith, seed, options)
        good &= result["good"]
        print("| " + " | ".join(row(result)) + " |", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
