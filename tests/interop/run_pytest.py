"""Runs pytest on the files named; exit status 77 if it, or what the Python peer needs, is not installed."""
import sys

try:
    import pytest
except ImportError as error:
    print(f"skipped: {error}; install python3-pytest", file=sys.stderr)
    sys.exit(77)

import kith_peer  # noqa: F401, exits with 77 itself

sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--tb=short", "--durations=5", *sys.argv[1:]]))
