#!/usr/bin/python3
"""Checks that two independent implementations of Noise make the vectors that our tests rely on, to the byte.

usage: noise_vectors_test.py VECTORS.json
Exits with status 77 if one of them is not installed.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
GO_PATH = "/usr/share/gocode"


def output_of(command, **environment):
    done = subprocess.run(command, env=os.environ | environment, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)   # 77 as well; the command has said why
    return done.stdout


def main(committed):
    if not shutil.which("go") or not pathlib.Path(GO_PATH, "src/github.com/flynn/noise").is_dir():
        print("skipped: install golang-go and golang-github-flynn-noise-dev", file=sys.stderr)
        sys.exit(77)
    by_dissononce = output_of([sys.executable, HERE / "generate_noise_vectors.py"])
    with tempfile.TemporaryDirectory() as cache:
        by_flynn = output_of(["go", "run", HERE / "noise_vectors.go"],
                             GOPATH=GO_PATH, GO111MODULE="off", GOFLAGS="", GOCACHE=os.environ.get("GOCACHE", cache))
    problems = []
    if by_dissononce != by_flynn:
        problems.append("dissononce and flynn/noise disagree")
    if by_dissononce != pathlib.Path(committed).read_bytes():
        problems.append(f"{committed} is not what generate_noise_vectors.py writes")
    print("\n".join(problems) or "noise vectors: two implementations and the stored file agree")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
