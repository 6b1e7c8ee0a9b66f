#!/usr/bin/env python3
"""Checks the layout of the workspace's crates: .ci/cycles.py [CRATE...]

Reports, for each crate (by default all members of the workspace):
  - cycles among the files of its `src`, through imports and direct paths;
  - Rust files above 500 lines;
  - imports that rename one of the project's own items with `as`.
Ends with 1 if it finds anything.

A file depends on the file that defines what it names. A path through a `pub use` leads to the file behind it, so
re-exports alone make no cycle. `mod` declarations and code under `#[cfg(test)]` do not count. Methods are not seen.
"""

import re
import sys
from pathlib import Path

MOST_LINES = 500
# Every library has an `Error` and a `Result` of its own, so these may be renamed where two of them meet.
MAY_BE_RENAMED = {"Error", "Result"}

DEFINITION = re.compile(
    r"^[ \t]*(?:pub(?:\([^)]*\))?\s+)?(?:unsafe\s+|async\s+|const\s+)*"
    r"(?:struct|enum|trait|union|fn|const|static|type|macro_rules!)\s+(?:mut\s+)?(\w+)",
    re.M,
)
USE = re.compile(r"(?:^|(?<=[;{}\]]))\s*(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.M)
PATH = re.compile(r"(?<![\w:.$])([A-Za-z_]\w*)((?:\s*::\s*[A-Za-z_]\w*)+)")
MODULE = re.compile(r"\bmod\s+(\w+)\s*([;{])")


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    listed = re.search(r"^members = \[([^\]]*)\]", (root / "Cargo.toml").read_text(), re.M)
    members = re.findall(r'"([^"]+)"', listed[1])
    names = {library_name(root / member) for member in members}
    asked = sys.argv[1:] or members
    found = []
    for crate in asked:
        folder = root / crate
        if not (folder / "Cargo.toml").is_file():
            sys.exit(f"{crate} is no crate of the workspace; these are: {' '.join(members)}")
        found += layout(folder, root, names)
    print("\n".join(found) if found else f"no findings in {' '.join(asked)}")
    return 1 if found else 0


def library_name(folder: Path) -> str:
    name = re.search(r'^name = "([^"]+)"', (folder / "Cargo.toml").read_text(), re.M)
    return name[1].replace("-", "_")


def layout(folder: Path, root: Path, names: set[str]) -> list[str]:
    """The findings of one crate, a line each."""
    found = []
    modules = Crate(folder)
    for circle in circles(modules.edges()):
        files = ", ".join(sorted(str(file.relative_to(root)) for file in circle))
        found.append(f"cycle: {files}")
        for start, end, line, text in sorted(modules.dependencies):
            if start in circle and end in circle:
                place = f"{start.relative_to(root)}:{line}"
                found.append(f"    {place} -> {end.relative_to(root)}  ({text})")
    for file in sorted(folder.rglob("*.rs")):
        text = file.read_text()
        place = file.relative_to(root)
        count = text.count("\n")
        if count > MOST_LINES:
            found.append(f"long: {place} has {count} lines, above {MOST_LINES}")
        children = modules.children(file)
        bare = without_comments(text)
        for match in USE.finditer(bare):
            for path, alias in leaves(match[2]):
                own = path[0] in names | {"crate", "self", "super"} | children
                if own and alias and alias != "_" and path[-1] not in MAY_BE_RENAMED:
                    line = bare.count("\n", 0, match.start(2)) + 1
                    found.append(f"renamed: {place}:{line} imports {'::'.join(path)} as {alias}")
    return found


class Crate:
    """The modules of a crate, and which file depends on which."""

    def __init__(self, folder: Path):
        self.files: dict[tuple, Path] = {}  # module path -> file
        self.texts: dict[Path, str] = {}
        self.defined: dict[tuple, set[str]] = {}
        self.inline: dict[Path, list[tuple]] = {}  # file -> (start, end, module path)
        self.exported: dict[tuple, list[tuple]] = {}  # module path -> (path, name; "*" for a glob)
        self.imported: dict[tuple, set[str]] = {}
        self.dependencies: set[tuple] = set()  # (file, file, line, path as written)
        for name in ("lib.rs", "main.rs"):
            if (folder / "src" / name).is_file():
                self.add(folder / "src" / name, ("crate",))
        for module in list(self.files):
            self.note_uses(module)
        for file in self.texts:
            self.note_dependencies(file)

    def add(self, file: Path, module: tuple):
        """Takes in a module and those that it declares."""
        text = without_tests(without_comments(file.read_text()))
        # The path of a visibility names no item.
        self.texts[file] = re.sub(r"\bpub\(in [^)]*\)", lambda m: "pub".ljust(len(m[0])), text)
        self.inline[file] = []
        self.add_items(file, module, 0, len(self.texts[file]))

    def add_items(self, file: Path, module: tuple, start: int, end: int):
        text = self.texts[file]
        self.files[module] = file
        self.defined[module] = {m[1] for m in DEFINITION.finditer(text, start, end)}
        at = start
        while match := MODULE.search(text, at, end):
            child = (*module, match[1])
            at = match.end()
            if match[2] == "{":
                close = closing(text, match.end() - 1)
                self.inline[file].append((match.end(), close, child))
                self.add_items(file, child, match.end(), close)
                at = close
            elif path := declared(file, match[1]):
                self.add(path, child)

    def module_at(self, file: Path, offset: int) -> tuple:
        """The innermost module at a place of a file."""
        around = [module for start, end, module in self.inline[file] if start <= offset < end]
        outermost = min((m for m, f in self.files.items() if f == file), key=len)
        return max(around, key=len, default=outermost)

    def children(self, file: Path) -> set[str]:
        """Names of the modules that a file declares."""
        return {m[-1] for m in self.files if len(m) > 1 and self.files.get(m[:-1]) == file}

    def note_uses(self, module: tuple):
        file = self.files[module]
        self.exported[module], self.imported[module] = [], set()
        for match in USE.finditer(self.texts[file]):
            if self.module_at(file, match.start(2)) == module:
                for path, alias in leaves(match[2]):
                    target = self.absolute(path, module)
                    if match[1] and target:
                        self.exported[module].append((target, alias or path[-1]))
                    else:
                        self.imported[module].add(alias or path[-1])

    def note_dependencies(self, file: Path):
        text = self.texts[file]
        uses = [(m.start(2), m.end(2), m) for m in USE.finditer(text)]
        # Blanked out, so that names are looked for in the code alone.
        code = text
        for start, end, _ in uses:
            code = code[:start] + re.sub(r"[^\n]", " ", text[start:end]) + code[end:]
        for start, _, match in uses:
            for path, alias in leaves(match[2]):
                name = alias or path[-1]
                # A re-export is no dependency, unless the file itself uses the name.
                if not match[1] or re.search(rf"\b{re.escape(name)}\b", code):
                    self.depend(file, path, start)
        for match in PATH.finditer(code):
            path = tuple(re.split(r"\s*::\s*", match[0]))
            self.depend(file, path, match.start())

    def depend(self, file: Path, path: tuple, offset: int):
        target = self.absolute(path, self.module_at(file, offset))
        end = target and self.defining(target)
        # In the arguments of a macro, `super` may be meant for the module that the macro makes.
        if end and path[0] == "super" and not self.knows(target):
            return
        if end and end != file:
            line = self.texts[file].count("\n", 0, offset) + 1
            self.dependencies.add((file, end, line, "::".join(path)))

    def absolute(self, path: tuple, module: tuple):
        """A path from the root of the crate, or None for one that leads out of it."""
        first, rest = path[0], path[1:]
        if first == "crate":
            return path
        if first == "self":
            return (*module, *rest)
        if first == "super":
            while rest[:1] == ("super",):
                module, rest = module[:-1], rest[1:]
            return (*module[:-1], *rest)
        return (*module, *path) if (*module, first) in self.files else None

    def defining(self, path: tuple, seen: frozenset = frozenset()):
        """The file that defines what a path from the root names."""
        if path in seen:
            return None
        module = path
        while module not in self.files:
            module = module[:-1]
            if not module:
                return None
        rest = path[len(module) :]
        if rest and rest[0] not in self.defined[module]:
            for target, name in self.exported[module]:
                onward = target[:-1] if name == "*" else target
                if name == rest[0] and name != "*":
                    return self.defining((*onward, *rest[1:]), seen | {path})
                if name == "*" and rest[0] in self.defined.get(onward, ()):
                    return self.files[onward]
        return self.files[module]

    def knows(self, path: tuple) -> bool:
        """Whether the last module on a path from the root has, exports or imports the name that follows it."""
        module = path
        while module not in self.files:
            module = module[:-1]
        name = next(iter(path[len(module) :]), "*")
        exported = {name for _, name in self.exported[module]}
        return name == "*" or "*" in exported or name in self.defined[module] | self.imported[module] | exported

    def edges(self) -> dict[Path, set[Path]]:
        edges = {file: set() for file in self.texts}
        for start, end, _, _ in self.dependencies:
            edges[start].add(end)
        return edges


def declared(file: Path, name: str):
    """The file of `mod name;`."""
    folder = file.parent if file.name in ("lib.rs", "main.rs", "mod.rs") else file.with_suffix("")
    candidates = (folder / f"{name}.rs", folder / name / "mod.rs")
    return next((path for path in candidates if path.is_file()), None)


def without_comments(text: str) -> str:
    """The text with comments and the insides of literals blanked out; lines stay where they are."""
    token = re.compile(
        r'//[^\n]*|/\*.*?\*/|r(#+)".*?"\1|b?r"[^"]*"|b?"(?:\\.|[^"\\])*"|b?\'(?:\\[^\n]*?|[^\\\n])\'', re.S
    )
    return token.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def without_tests(text: str) -> str:
    """The text without the items under `#[cfg(test)]`."""
    while match := re.search(r"#\[cfg\((?:test|all\(test[^\]]*)\)\]", text):
        end = item_end(text, match.end())
        text = text[: match.start()] + re.sub(r"[^\n]", " ", text[match.start() : end]) + text[end:]
    return text


def item_end(text: str, at: int) -> int:
    """Where the item, field or statement ends that begins here."""
    is_use = re.match(r"\s*(#\[[^\]]*\]\s*)*(pub(\([^)]*\))?\s+)?use\b", text[at:])
    depth = 0
    for offset in range(at, len(text)):
        c = text[offset]
        if c in "([":
            depth += 1
        elif c in ")]":
            depth -= 1
        elif c == "{" and depth == 0 and not is_use:
            return closing(text, offset) + 1
        elif c == ";" and depth == 0 or c == "," and depth == 0 and not is_use:
            return offset + 1
    return len(text)


def closing(text: str, opening: int) -> int:
    """Where the brace closes that opens here."""
    depth = 0
    for offset in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[offset], 0)
        if depth == 0:
            return offset
    return len(text)


def leaves(tree: str, prefix: tuple = ()):
    """The paths of a `use` tree, each with the name after `as`, or None."""
    tree = tree.strip()
    if "{" in tree:
        start = tree.index("{")
        prefix += tuple(part.strip() for part in tree[:start].split("::") if part.strip())
        depth, item = 0, ""
        for c in tree[start + 1 : tree.rindex("}")] + ",":
            if c == "," and depth == 0:
                if item.strip():
                    yield from leaves(item, prefix)
                item = ""
            else:
                depth += {"{": 1, "}": -1}.get(c, 0)
                item += c
        return
    path, _, alias = re.sub(r"\s+", " ", tree).partition(" as ")
    parts = prefix + tuple(part.strip() for part in path.split("::") if part.strip())
    if parts[-1] == "self" and len(parts) > 1:
        parts = parts[:-1]
    if parts:
        yield parts, alias.strip() or None


def circles(edges: dict) -> list[set]:
    """Sets of files that depend on each other in a circle: Tarjan's strongly connected components."""
    order, low, stack, found = {}, {}, [], []

    def visit(file):
        order[file] = low[file] = len(order)
        stack.append(file)
        for other in sorted(edges[file]):
            if other not in order:
                visit(other)
                low[file] = min(low[file], low[other])
            elif other in stack:
                low[file] = min(low[file], order[other])
        if low[file] == order[file]:
            circle = set()
            while True:
                circle.add(last := stack.pop())
                if last == file:
                    break
            if len(circle) > 1:
                found.append(circle)

    for file in sorted(edges):
        if file not in order:
            visit(file)
    return found


if __name__ == "__main__":
    sys.exit(main())
