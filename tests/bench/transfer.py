#!/usr/bin/env python3
"""Moves a snapshot between two processes on loopback in each encoding, and a file through TLS 1.3 of the openssl
program, in turns; prints a Markdown table: docs/results.md is made of it.

usage: transfer.py TRANSFER [MEBIBYTES] [TIMES]      for example: transfer.py build/release/bin/transfer 256 3
Needs a quiet machine with two cores, and in /tmp five times as much space as the snapshot.
"""
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time


def snapshot(program, encoding, mebibytes):
    return json.loads(subprocess.run([program, encoding, str(mebibytes)], stdout=subprocess.PIPE, check=True, text=True).stdout)


class Tls:
    """`openssl s_client` sends a file to `openssl s_server`."""

    def __init__(self, folder, mebibytes):
        self.file, self.key, self.certificate = folder / "file", folder / "key", folder / "certificate"
        with self.file.open("wb") as file:
            for _ in range(mebibytes):
                file.write(os.urandom(1 << 20))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                        "/CN=bench", "-keyout", self.key, "-out", self.certificate], check=True, stderr=subprocess.DEVNULL)

    def seconds(self, suite):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-key", self.key, "-cert", self.certificate,
                                   "-tls1_3", "-ciphersuites", suite, "-quiet", "-naccept", "1"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.PIPE)
        time.sleep(0.3)
        start = time.monotonic()
        with self.file.open("rb") as file:
            subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-nocommands", "-no_ign_eof"],
                           stdin=file, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, timeout=300)
        server.wait(60)
        return time.monotonic() - start


def main(program, mebibytes="256", times="3"):
    mebibytes, times = int(mebibytes), int(times)
    runs = {"fp32": [], "bf16": [], "int8": []}
    tls = {"TLS_CHACHA20_POLY1305_SHA256": [], "TLS_AES_256_GCM_SHA384": []}
    with tempfile.TemporaryDirectory(prefix="kith-tls-") as folder:
        other = Tls(pathlib.Path(folder), mebibytes)
        for _ in range(times):
            for encoding, found in runs.items():
                found.append(snapshot(program, encoding, mebibytes))
            for suite, found in tls.items():
                found.append(mebibytes / other.seconds(suite))
    print(f"A model of {mebibytes} MiB of weights, median of {times}. *Ceiling*: the receiver's cryptography and decoding alone.\n")
    print("| encoding | MiB on the wire | seconds to fetch | and to open | MiB of model a second | of the ceiling |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    speeds = {}
    for encoding, found in runs.items():
        middle = sorted(found, key=lambda run: run["seconds"])[len(found) // 2]
        speeds[encoding] = mebibytes / middle["seconds"]
        share = statistics.median(run["ceiling"]["total"] / run["seconds"] for run in found)
        print(f"| `{encoding}` | {middle['bytes'] / 2**20:.1f} | {middle['fetch_seconds']:.2f} | {middle['seconds']:.2f}"
              f" | {speeds[encoding]:.0f} | {share:.2f} |")
    print()
    for suite, found in tls.items():
        speed = statistics.median(found)
        print(f"TLS 1.3, `{suite}`: {speed:.0f} MiB/s; `fp32` reaches {speeds['fp32'] / speed:.2f} of it, `bf16` {speeds['bf16'] / speed:.2f}.")


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
