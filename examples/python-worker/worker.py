#!/usr/bin/env python3
"""A worker for Kith in Python: the program that worker.command names."""

import argparse
import ctypes
import os


def give_up_network():
    """Moves this process to a network of its own, with nobody in it. Returns what kith tells the operator of it."""
    new_user, new_network = 0x10000000, 0x40000000  # of sched.h
    libc = ctypes.CDLL(None, use_errno=True)
    holds = libc.unshare(new_user | new_network) == 0
    what = "it has a network of its own, with nobody in it" if holds else os.strerror(ctypes.get_errno())
    return [
        {"name": "network", "holds": holds, "what": what},
        {"name": "reading", "holds": False, "what": "it reads whatever this user may read"},
    ]


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--fd", type=int, required=True, help="number of the inherited socket")
    options.add_argument("--version", action="version", version="python-worker 1")
    options.add_argument("--gpu", action="store_true", help="there is a GPU; this worker has no use for one")
    number = options.parse_args().fd
    guards = give_up_network()  # before there are threads
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # NumPy starts its threads before kith says how many

    import kith_worker
    import tables
    from goal import goal_of
    from model import Model

    pipe = kith_worker.Pipe(number)
    pipe.end_with()
    kith_worker.Worker(pipe, Model, goal_of, tables, guards).run()


if __name__ == "__main__":
    main()
