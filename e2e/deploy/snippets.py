"""The fenced blocks of the documents. Knows Markdown, and nothing of what is in a block."""
import pathlib
import re
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Pages for readers; decisions say why something is so and show no commands.
PAGES = sorted([ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "clients/typescript/README.md", *(ROOT / "docs").glob("*.md")])


@dataclass
class Block:
    page: pathlib.Path
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page):
    text = page.read_text()
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S):
        yield Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])


def all_blocks(language):
    return [block for page in PAGES for block in blocks(page) if block.language == language]


def prose(page):
    """The page without its blocks."""
    return re.sub(r"^```\w*\n.*?^```$", "", page.read_text(), flags=re.M | re.S)


def anchors(page):
    """What a link to a heading of this page may say, as GitHub makes it."""
    made = set()
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        made.add(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"))
    return made


def links(page):
    """Targets of the page's links."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def commands(block):
    """The commands of a block, lines that are continued joined."""
    text = re.sub(r"\\\n\s*", " ", block.text)
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
