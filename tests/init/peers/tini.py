"""Runs tini's one program of tests to its end: `tini.py SOURCE BUILD`; a verdict a line on descriptor 3.

It stops at the first assertion that does not hold. Here each has a verdict of its own, under what the program has announced
last, and what follows still runs. A module for bit maps that it wants is in no distribution; it needs one call of it.
"""

import ast
import os
import re
import sys
import types

source, build = sys.argv[1:3]
os.environ.update(SOURCE_DIR=source, BUILD_DIR=build, FORCE_SUBREAPER="1")
os.environ.pop("MINIMAL", None)
announced = ""


class BitMap:
    """The bits of a number in base 2, the lowest first."""

    def __init__(self, text):
        self.bits = [place for place, bit in enumerate(reversed(text)) if bit == "1"]

    @staticmethod
    def fromstring(text):
        return BitMap(text)

    def nonzero(self):
        return self.bits


def announce(*words):
    global announced
    announced = re.split(r" \(/| for|: | \(\[", str(words[0]))[0] if str(words[0]).lower().startswith("running") else announced
    print(*words, flush=True)


def verdict(held, text):
    said = re.sub(r"[0-9]+", "N", str(text).split("\n")[0])
    os.write(3, "\t".join(["pass" if held else "fail", announced + ": " + said + "\n"]).encode())


class Soften(ast.NodeTransformer):
    """`assert a, b` becomes `verdict(a, b)`; who returns has waited with success."""

    def visit_Assert(self, node):
        call = ast.Call(ast.Name("verdict", ast.Load()), [node.test, node.msg or ast.Constant("")], [])
        return ast.Expr(call)

    def visit_Return(self, node):
        return [ast.Expr(ast.Call(ast.Name("verdict", ast.Load()), [ast.Constant(True), ast.Constant("a wait")], [])), node]


path = os.path.join(source, "test", "run_inner_tests.py")
with open(path) as file:
    tree = Soften().visit(ast.parse(file.read(), path))
sys.modules["bitmap"] = types.SimpleNamespace(BitMap=BitMap)
exec(
    compile(ast.fix_missing_locations(tree), path, "exec"),
    {"__name__": "__main__", "verdict": verdict, "print": announce},
)
