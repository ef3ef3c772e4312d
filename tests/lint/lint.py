#!/usr/bin/env python3
"""Checks what the compiler does not: who may include whom, and how we await.

Layers: a quoted #include may only point at the same folder or at one listed for it below; LibTorch, Boost.Asio and
the operating system's sockets stay in the folders that are for them.
Awaits: g++ 12.2 drops the body of `if (co_await f())` (GCC PR106188) and destroys braced temporaries and lambdas with
captures twice when they share an expression with co_await (GCC PR101367 and kin). So an await is a statement of its
own or initialises a name, and what it is given has a name too.

usage: lint.py ROOT          checks the tree
       lint.py --self-test   checks that each rule can fail
"""
import pathlib
import re
import sys

# folder: the folders below it that it may include (its own always). Longest match wins.
MAY_INCLUDE = {
    "crypto": set(),
    "net": {"crypto"},
    "net/asio": {"crypto", "net"},
    "model": {"crypto"},
    "model/data": {"crypto", "model"},
    "model/pipe": {"crypto", "model"},
    "model/torch": {"crypto", "model", "model/data", "model/pipe"},
}
_BELOW = {"crypto", "net", "net/asio", "model", "model/data", "model/pipe"}
# The daemon's rooms, from the bottom up: each may use these others, and all that they may.
ROOMS = {
    "system": [],
    "config": ["system"],
    "state": ["system"],
    "membership": ["system"],
    "learning": ["config"],
    "exchange": ["learning", "membership", "state"],
    "api": ["config", "membership", "state"],
    "web": ["api"],
    "node": ["web", "exchange"],
    "doctor": ["api", "learning"],
    "backup": ["api"],
    "export": ["api"],
    "simulation": ["learning"],
    "testnet": ["api"],
    "cli": ["backup", "doctor", "export", "node", "simulation", "testnet"],
}
for _room, _uses in ROOMS.items():
    MAY_INCLUDE["daemon/" + _room] = _BELOW.union(*({"daemon/" + used} | MAY_INCLUDE["daemon/" + used] for used in _uses))
MAY_INCLUDE["tests"] = set(MAY_INCLUDE)
# library: (pattern of its includes, folders that may have them)
RESERVED = {
    "LibTorch": (r'<(torch|ATen|c10)/', {"model/torch", "tests"}),
    "Boost.Asio (include net/asio/asio.hpp)": (r'<boost/(asio|beast)', {"net/asio", "daemon/api"}),
    "libsodium": (r'<sodium', {"crypto", "tests"}),
    "sockets": (r'<(sys/socket|netinet|arpa)', {"net/asio", "model/pipe", "daemon/api", "tests"}),
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)/[^"/]+"', re.M)
ANY_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(<[^>]+>)', re.M)
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/', re.S)
HEAD = re.compile(r'\b(if|while|switch|for)\s*\(')
DECLARATION = re.compile(r'[\w>&*]\s+[&*]?\w+\s*=\s*co_await\b')
CAPTURE = re.compile(r'\[[^\]\[]+\]\s*\(')
BRACED = re.compile(r'[\w>(,]\s*\{')
BRACED_BEFORE = re.compile(r'\b(?!else\b|do\b|try\b|const\b|noexcept\b|override\b|mutable\b)\w+\s*\{[^;{}]*$')


def layer_of(folder):
    """The longest listed folder that holds `folder`, or None."""
    return max((name for name in MAY_INCLUDE if folder == name or folder.startswith(name + "/")), key=len, default=None)


def balanced(text, start):
    """The text between the parenthesis at `start` and the one that closes it."""
    depth = 0
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return text[start + 1:i]
    return text[start + 1:]


def await_problems(text):
    for head in HEAD.finditer(text):
        for part in balanced(text, head.end() - 1).split(";"):
            if "co_await" in part and not DECLARATION.search(part):
                yield head.start(), "co_await in a condition; name the result first"
    for use in re.finditer(r'\bco_await\b', text):
        rest = text[use.end():].split(";")[0]
        if CAPTURE.search(rest.split("{")[0]):
            yield use.start(), "lambda with captures inside an await; name it first"
        elif BRACED.search(rest) or BRACED_BEFORE.search(text[:use.start()]):
            yield use.start(), "braced temporary around an await; name it first"


def problems(layer, text, header=False):
    code = COMMENT.sub(lambda m: re.sub(r'[^\n]', ' ', m[0]), text)   # keeps offsets
    for m in INCLUDE.finditer(code):
        target = layer_of(m[1])
        if target and target != layer and target not in MAY_INCLUDE[layer]:
            yield m.start(1), f"{layer}/ must not include {target}/"
    for m in ANY_INCLUDE.finditer(code):
        for library, (pattern, folders) in RESERVED.items():
            if re.match(pattern, m[1]) and layer not in folders:
                yield m.start(1), f"{layer}/ must not include {library}"
        if header and re.match(RESERVED["LibTorch"][0], m[1]) and layer != "model/torch":
            yield m.start(1), "LibTorch stays out of headers"
    yield from await_problems(code)


def check(root):
    for top in sorted({name.split("/")[0] for name in MAY_INCLUDE}):
        for path in sorted((root / top).rglob("*.[ch]pp")):
            text = path.read_text()
            layer = layer_of(str(path.parent.relative_to(root)))
            for offset, what in problems(layer, text, path.suffix == ".hpp"):
                yield f"{path.relative_to(root)}:{text.count(chr(10), 0, offset) + 1}: {what}"
    for layer in MAY_INCLUDE:
        if not (root / layer / "README.md").exists():
            yield f"{layer}/: a layer has a README.md, its design note"


def self_test():
    bad = [
        ("crypto", '#include "net/session.hpp"\n'),
        ("net", '#include "model/snapshot.hpp"\n'),
        ("net", '#include "net/asio/link.hpp"\n'),
        ("net", '#include <boost/asio.hpp>\n'),
        ("model", '#include <torch/torch.h>\n'),
        ("model/torch", '#include <sys/socket.h>\n'),
        ("daemon/node", '#include "model/torch/trainer.hpp"\n'),
        ("daemon/learning", '#include "daemon/membership/invitations.hpp"\n'),
        ("daemon/system", '#include "daemon/config/config.hpp"\n'),
        ("daemon/node", 'if (co_await ready()) go();'),
        ("daemon/node", 'while (co_await more()) {}'),
        ("daemon/node", 'co_await send(Hello{id});'),
        ("daemon/node", 'auto n = co_await offload(pool, [x](int) { return x; });'),
    ]
    good = [
        ("net/asio", '#include <boost/asio.hpp>\n#include "net/session.hpp"\n'),
        ("daemon/node", '#include "model/data/idx.hpp"\nconst bool ready = co_await handshake(peer);\nif (ready) go();'),
        ("daemon/node", '// if (co_await ready()) in a comment\nco_await send(hello);'),
    ]
    missed = [code for layer, code in bad if not list(problems(layer, code))]
    wrong = [code for layer, code in good if list(problems(layer, code))]
    return [f"not caught: {code!r}" for code in missed] + [f"caught wrongly: {code!r}" for code in wrong]


if __name__ == "__main__":
    if sys.argv[1] == "--self-test":
        found = self_test()
    else:
        found = self_test() + list(check(pathlib.Path(sys.argv[1])))
    print("\n".join(found) or "lint: clean")
    sys.exit(bool(found))
