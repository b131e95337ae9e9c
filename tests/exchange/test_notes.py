"""Every note that an import can give stands on the page of formats."""

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

import hyperzoo.exchange

SOURCE = Path(hyperzoo.exchange.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "formats.md"
HOLDERS = ("note", "notes", "_notes", "said")
"""What holds notes in the source: variables, attributes, keywords."""

GIVERS = ("_rounded", "_widened", "told_in_training_alone", "_of_trials", "_known_runs", "_told")
"""Functions that return notes, alone or beside else."""

OF_ELSE = ("hub", "published", "exporting.py")
"""What of the source gives notes of no import."""


def texts(node: ast.AST | None, constants: dict[str, str]) -> list[str]:
    """What an expression may say; a null byte for what is filled in."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(own) for own in product(*(texts(part, constants) for part in parts))]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            both = product(texts(left, constants), texts(right, constants))
            return [one + other for one, other in both]
        case ast.IfExp(body=one, orelse=other):
            return texts(one, constants) + texts(other, constants)
        case ast.BoolOp(values=values):
            return [text for value in values for text in texts(value, constants)]
        case ast.FormattedValue(value=value):
            return texts(value, constants)
        case ast.Name(id=name) if name in constants:
            return [constants[name]]
        case ast.Tuple(elts=values) | ast.List(elts=values):
            return [text for value in values for text in texts(value, constants)]
        case ast.ListComp(elt=value) | ast.GeneratorExp(elt=value):
            return texts(value, constants)
    return ["\0"]


def notes_of(tree: ast.Module) -> Iterator[str]:
    constants = {
        target.id: text
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
        for text in texts(node.value, {})
    }
    for node in ast.walk(tree):
        found: list[ast.AST | None] = []
        match node:
            case ast.Call(func=ast.Attribute(attr="append", value=holder), args=[value]):
                found = [value] if _name(holder) in HOLDERS else []
            case (
                ast.Assign(targets=[target], value=value)
                | ast.AugAssign(target=target, value=value)
            ):
                found = [value] if _name(target) in HOLDERS else []
            case ast.keyword(arg=name, value=value) if name in HOLDERS:
                found = [value]
            case ast.FunctionDef(name=name, returns=returns):
                inner = list(ast.walk(node))
                if returns is not None and ast.unparse(returns) == "Iterator[str]":
                    found = [own.value for own in inner if isinstance(own, ast.Yield)]
                elif name in GIVERS:
                    found = [own.value for own in inner if isinstance(own, ast.Return)]
        for own in found:
            yield from texts(own, constants)


def _name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def templates() -> list[str]:
    """The notes in the source, those left out that are nothing but filled in."""
    found = {
        note
        for path in SOURCE.rglob("*.py")
        if not set(OF_ELSE) & {*path.relative_to(SOURCE).parts}
        for note in notes_of(ast.parse(path.read_text()))
    }
    return sorted(note for note in found if len(re.findall(r"[a-z]{2,}", note)) > 2)


def rows() -> list[re.Pattern[str]]:
    """The notes on the page; dots stand for anything, and so does what is quoted."""
    text = PAGE.read_text().partition("### What an import may say")[2].partition("\n#")[0]
    cells = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    parts = [re.split(r"\.\.\.|'[^']*'", cell) for cell in cells[1:]]
    return [
        re.compile(".*".join(re.escape(own.strip()) for own in part if own.strip()), re.DOTALL)
        for part in parts
    ]


@pytest.mark.parametrize("note", templates())
def test_a_note_stands_on_the_page(note: str):
    assert any(row.search(note) for row in rows()), note.replace("\0", "...")


def test_the_notes_are_found():
    """So that a change of how notes are given does not pass for none."""
    found = templates()
    assert len(found) > 50
    for word in ("prefix", "1/255", "computed in", "step", "bit for bit", "folders"):
        assert any(word in note for note in found), word
