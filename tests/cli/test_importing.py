"""What `hyperzoo import` says of itself."""

import re

from typer.testing import CliRunner

from hyperzoo.cli.command import app
from hyperzoo.exchange.preferring import WORDS


def test_the_help_of_prefer_names_all_that_it_takes():
    shown = CliRunner().invoke(app, ["import", "--help"], env={"COLUMNS": "200"}).output
    text = " ".join(re.sub(r"[^\w -]", " ", shown).split())
    told = text.partition("--prefer")[2].partition("--")[0]
    for word in (*WORDS, "epoch7"):
        assert word in told.split(), word
