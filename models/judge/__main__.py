"""What a model is worth: the tables and figures of the model card, for any file the engine reads.

    python3 models/judge golddac FRAMES.extxyz --model SevenNet-0=old.pth --model new.safetensors

Needs numpy, ase and, for figures, matplotlib; the package equisorb, or the engine built in
build/default. Every command prints its table as Markdown; --csv writes all digits, --card puts
the table into its place in the card.

SPDX-License-Identifier: MIT
"""
import argparse
import importlib

COMMANDS = ("golddac", "molecules", "holes", "cost", "curves", "experiment")


def main():
    parser = argparse.ArgumentParser(prog="judge", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in COMMANDS:
        module = importlib.import_module(name)
        sub = commands.add_parser(name, help=module.__doc__.splitlines()[0],
                                  description=module.__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
        module.add_arguments(sub)
        sub.add_argument("--csv", help="the table with all digits")
        sub.add_argument("--card", help="README.md whose block of this table is replaced")
        sub.set_defaults(run=module.run)
    options = parser.parse_args()
    options.run(options)


main()
