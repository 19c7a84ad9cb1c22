#!/usr/bin/env python3
"""What GCC 12.2 compiles wrongly around co_await; see awaitable.h.

A lambda that captures by copy, written within the expression, is destroyed
twice. Name it first: `auto work = [x] {...}; co_await Run(std::move(work));`.
Captures by reference and of `this` are harmless. Awaiting in the condition of
an if, while, for or switch, or in a braced initializer, is as bad: await into a
variable first.

Usage: coroutines.py ROOT      exit 1 and a line for each place
       coroutines.py --self-test
"""

import pathlib
import re
import sys

OPEN, CLOSE = "([{", ")]}"


def blank(text):
    """The text with comments and literals blanked out, lines kept."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.S)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def closing(text, start):
    """The index of the bracket that closes the one at `start`."""
    depth = 0
    for i in range(start, len(text)):
        if text[i] in OPEN:
            depth += 1
        elif text[i] in CLOSE:
            depth -= 1
            if depth == 0:
                return i
    return len(text)


def copies(captures):
    for item in captures.split(","):
        item = item.strip()
        if item and item[0] != "&" and item != "this":
            return True
    return False


def faults(text):
    """Lines of lambdas that capture by copy, and of misplaced awaits."""
    text = blank(text)
    yield from lambdas(text)
    for match in re.finditer(r"\b(?:if|while|for|switch)\s*(\()", text):
        condition = text[match.start(1):closing(text, match.start(1))]
        if re.search(r"\bco_await\b", condition):
            yield text.count("\n", 0, match.start()) + 1
    for match in re.finditer(r"[\w>]\s*\{\s*co_await\b", text):
        # A block begins with a keyword, `)` or a return type.
        before = text[max(0, match.start() - 60):match.start() + 1]
        if not re.search(r"\b(do|else|try|const|override|mutable)$"
                         r"|->\s*[\w:<> ]+$", before):
            yield text.count("\n", 0, match.start()) + 1


def lambdas(text):
    for match in re.finditer(r"\bco_await\b", text):
        i, depth = match.end(), 0
        while i < len(text):
            c = text[i]
            if c == "[" and not re.search(r"[\w\])]\s*$", text[:i][-80:]):
                end = closing(text, i)
                if copies(text[i + 1:end]):
                    yield text.count("\n", 0, i) + 1
                body = text.find("{", end)  # its body runs later
                i = closing(text, body) + 1 if body >= 0 else len(text)
                continue
            if c in OPEN:
                depth += 1
            elif c in CLOSE:
                depth -= 1
                if depth < 0:
                    break
            elif c == ";" and depth == 0:
                break
            i += 1


def self_test():
    bad = ["co_await Run([x] { return 1; });",
           "auto y = co_await e.Run([p = std::move(p)]() mutable { f(); });",
           "co_await Run([=] {});", "co_await Run(a[1], [&a, b] {});",
           "co_await F(G([this, x] {}));",
           "if (co_await F()) { int x; }", "while (!co_await F()) {}",
           "if (a &&\n !co_await F(x)) return;", "g(Pair{co_await F()});"]
    good = ["co_await Run([&] { return 1; });", "co_await Run(a[x], b[y]);",
            "co_await Run([this, &x] { g([x] {}); });",
            "auto w = [x] {}; co_await Run(std::move(w));",
            "const auto [error] = co_await t.async_wait(kAwait); f([x] {});",
            "// co_await Run([x] {});", "if (idle) co_await F();",
            "if (a) {\n co_await F();\n}", "else { co_await F(); }",
            "Awaitable<void> G() override { co_await F(); }",
            "auto f = []() -> Awaitable<void> { co_await F(); };"]
    for text in bad:
        assert len(list(faults(text))) == 1, text
    for text in good:
        assert not list(faults(text)), text


def main():
    if sys.argv[1] == "--self-test":
        self_test()
        return 0
    root = pathlib.Path(sys.argv[1])
    found = 0
    for folder in ("common", "services", "tests"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in (".h", ".cc"):
                continue
            for line in faults(path.read_text()):
                print(f"{path.relative_to(root)}:{line}: GCC 12.2 compiles "
                      "this co_await wrongly: see awaitable.h")
                found += 1
    return 1 if found else 0


sys.exit(main())
