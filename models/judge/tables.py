"""Tables: CSV with all digits, Markdown to read, and the model card's blocks.

SPDX-License-Identifier: MIT
"""
import csv
import os
import sys


def write_csv(path, rows):
    """rows: list of dicts with the same keys; parents of `path` are made."""
    if not path or not rows:
        return
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", newline="") as f:
        writer = csv.DictWriter(f, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def markdown(heading, rows):
    """heading: list of texts; rows: lists of texts."""
    lines = [heading, ["---"] * len(heading)] + rows
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def card(path, name, text):
    """Puts `text` between <!-- begin NAME --> and <!-- end NAME --> of the card, if given."""
    if not path:
        return
    begin, end = "<!-- begin %s -->" % name, "<!-- end %s -->" % name
    with open(path) as f:
        content = f.read()
    if content.count(begin) != 1 or content.count(end) != 1:
        sys.exit("%s: needs one line '%s' and one line '%s'" % (path, begin, end))
    head, tail = content.split(begin)[0], content.split(end)[1]
    with open(path, "w") as f:
        f.write("%s%s\n%s\n%s%s" % (head, begin, text, end, tail))


def show(options, name, rows, text):
    """The CSV file and the card's block that were asked for; the table on standard output."""
    write_csv(options.csv, rows)
    card(options.card, name, text)
    print(text)
