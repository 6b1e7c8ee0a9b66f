#!/usr/bin/env python3
"""Checks the Markdown files of the repository, and with a folder as argument the HTML of the book that was built there.

Every relative link leads to a tracked file, and every anchor to a heading. Every path in code that begins with a folder
of the repository, such as `codec/src/walk.rs`, is a tracked file; `codec/src/walk.rs::group` also names something in it.
The pages of the book link to nothing outside of it, and its table of contents lists each of them once.
"""

import html.parser
import pathlib
import re
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOOK = "docs"
CONTENTS = f"{BOOK}/SUMMARY.md"

FENCE = re.compile(r"^ {0,3}(```|~~~)")
HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
# The text may hold one pair of brackets, as in a link around an image.
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\](?:\([^()]*\))?)*\]\(\s*(?:<([^>]*)>|([^()\s]*))(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)>?", re.MULTILINE)
HTML_LINK = re.compile(r"<(?:a|img)\b[^>]*?\b(?:href|src)=\"([^\"]*)\"")
INCLUDE = re.compile(r"\{\{#include\s+([^\s}]+)\s*\}\}")
CODE_PATH = re.compile(r"^([\w.-]+(?:/[\w.@-]+)+\.\w+)(?:::([\w:]+))?$")


def tracked():
    """Paths of the files that git knows, and of their folders."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    files = set(listed.decode().split("\0")) - {""}
    folders = {str(folder) for file in files for folder in pathlib.PurePosixPath(file).parents}
    return files, folders


def lines_outside_fences(text):
    """Numbers and texts of the lines that are not in a block of code."""
    fence = None
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        if mark and fence in (None, mark.group(1)):
            fence = mark.group(1) if fence is None else None
        elif fence is None:
            yield number, line


def paragraphs(text):
    """Numbers of the first lines and texts of the paragraphs: a link or a piece of code may span lines."""
    first, lines = 0, []
    for number, line in [*lines_outside_fences(text), (0, "")]:
        if line.strip() and number == first + len(lines):
            lines.append(line)
            continue
        if lines:
            yield first, "\n".join(lines)
        first, lines = (number, [line]) if line.strip() else (0, [])


def slug(heading):
    """The anchor that GitHub and mdBook give a heading."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def anchors(text):
    """The anchors of a page."""
    found, seen = set(), {}
    for _, line in lines_outside_fences(text):
        if heading := HEADING.match(line):
            name = slug(heading.group(2))
            found.add(name if name not in seen else f"{name}-{seen[name]}")
            seen[name] = seen.get(name, 0) + 1
    return found


def targets(paragraph):
    """Where the links of a paragraph lead."""
    plain = CODE.sub(lambda code: " " * len(code.group(0)), paragraph)
    for link in LINK.finditer(plain):
        # A link around an image holds another one.
        yield from targets(link.group(0)[1:link.group(0).rfind("](")])
        yield link.group(1) if link.group(1) is not None else link.group(2)
    yield from (match.group(1) for match in REFERENCE.finditer(plain))
    yield from (match.group(1) for match in HTML_LINK.finditer(plain))


class Check:
    """The files, and what is wrong with them."""

    def __init__(self):
        self.files, self.folders = tracked()
        self.pages = {f: (ROOT / f).read_text(encoding="utf-8") for f in sorted(self.files) if f.endswith(".md")}
        # What each page of the book includes.
        self.includes = {}
        self.problems = []

    def wrong(self, page, number, message):
        self.problems.append(f"{page}:{number}: {message}")

    def resolve(self, page, path):
        """A path relative to a page as one relative to the root, or None beyond it."""
        parts = []
        for part in (pathlib.PurePosixPath(page).parent / path).parts:
            if part == ".." and not parts:
                return None
            parts.append(part) if part != ".." else parts.pop()
        return "/".join(parts) or "."

    def run(self):
        for page, text in self.pages.items():
            for number, line in lines_outside_fences(text):
                for include in INCLUDE.finditer(line):
                    file = self.resolve(page, include.group(1))
                    if file not in self.pages:
                        self.wrong(page, number, f"includes {include.group(1)}, which is no tracked Markdown file")
                    else:
                        self.includes.setdefault(page, set()).add(file)
        for page, text in self.pages.items():
            for number, paragraph in paragraphs(text):
                for target in targets(paragraph):
                    self.link(page, number, target)
                for code in CODE.finditer(paragraph):
                    self.code(page, number, code.group(2))
        self.contents()
        return self.problems

    def link(self, page, number, target):
        parts = urllib.parse.urlsplit(target)
        if parts.scheme or parts.netloc:
            return
        path = urllib.parse.unquote(parts.path)
        if path and any(page in included for included in self.includes.values()):
            return self.wrong(page, number, f"{target}: the book includes this page, so only anchors of its own work here")
        file = self.resolve(page, path) if path else page
        if file not in self.files and file not in self.folders:
            return self.wrong(page, number, f"{target} leads to no tracked file")
        inside = page.startswith(f"{BOOK}/")
        if inside and not file.startswith(f"{BOOK}/"):
            return self.wrong(page, number, f"{target} leads out of the book; name the path in code instead")
        if parts.fragment and file in self.pages and parts.fragment not in self.anchors(file):
            self.wrong(page, number, f"{target}: {file} has no such heading")

    def anchors(self, page):
        """The anchors of a page and of what it includes."""
        return anchors(self.pages[page]).union(*(anchors(self.pages[file]) for file in self.includes.get(page, ())))

    def code(self, page, number, code):
        match = CODE_PATH.match(code)
        if not match or match.group(1).split("/")[0] not in self.folders:
            return
        path, names = match.groups()
        if path not in self.files:
            return self.wrong(page, number, f"`{code}` is no tracked file")
        for name in (names or "").split("::"):
            if name and not re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8")):
                self.wrong(page, number, f"`{code}`: {path} has no {name}")

    def contents(self):
        """The book's table of contents lists each of its pages once."""
        listed = [self.resolve(CONTENTS, t) for line in self.pages.get(CONTENTS, "").splitlines() for t in targets(line)]
        pages = {page for page in self.pages if page.startswith(f"{BOOK}/") and page != CONTENTS}
        for page in sorted(pages - set(listed)):
            self.wrong(CONTENTS, 1, f"{page} is missing")
        for page in sorted({page for page in listed if listed.count(page) > 1}):
            self.wrong(CONTENTS, 1, f"{page} is listed twice")


class Html(html.parser.HTMLParser):
    """The links and anchors of a page of HTML."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors.update(attrs[key] for key in ("id", "name") if attrs.get(key))
        self.links.extend(attrs[key] for key in ("href", "src") if attrs.get(key) and tag in ("a", "img", "link", "script"))


def built(folder):
    """What is wrong with the links of a book that was built in `folder`."""
    pages = {path: Html(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    if not pages:
        return [f"{folder}: there is no book"]
    problems = []
    for path, page in pages.items():
        # The page for addresses that lead nowhere is served from any folder, so its links are absolute.
        if path.name == "404.html":
            continue
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            file = path if not parts.path else (path.parent / urllib.parse.unquote(parts.path)).resolve()
            if not file.exists():
                problems.append(f"{path}: {link} leads to no file")
            elif parts.fragment and file in pages and parts.fragment not in pages[file].anchors:
                problems.append(f"{path}: {link} leads to no anchor")
    return problems


def main():
    problems = built(pathlib.Path(sys.argv[1]).resolve()) if len(sys.argv) > 1 else Check().run()
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(f"{len(problems)} problems in Markdown" if len(sys.argv) == 1 else f"{len(problems)} dead links in the book")


if __name__ == "__main__":
    main()
