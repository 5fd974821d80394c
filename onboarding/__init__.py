"""What tags mean, and whether a machine that was put on line is well: pure judgements, no I/O.

Takes in names, units, descriptions and samples of tags, or readings of a machine; hands out proposals of machine,
template, signal and conversion, each with its confidence and reason, and the answers of a commissioning check.
Words and units are data, in ``words.toml``, ``languages`` and ``units.toml``. Knows plant alone.
"""

from onboarding.commissioning import CheckAnswer, SignalReadings, by_signal, check_machine
from onboarding.documents import (
    Entry,
    Machine,
    Proposal,
    ProposalError,
    proposal_of,
    read_proposal,
    toml_lines,
    write_proposal,
)
from onboarding.grouping import DEFAULT_MACHINE
from onboarding.items import THRESHOLD, Candidate, Item
from onboarding.proposal import propose
from onboarding.tags import MOST_TAGS, Tag, TagListError, read_tag_list, tag_rows, write_tag_list

__all__ = [
    "DEFAULT_MACHINE",
    "MOST_TAGS",
    "THRESHOLD",
    "Candidate",
    "CheckAnswer",
    "Entry",
    "Item",
    "Machine",
    "Proposal",
    "ProposalError",
    "SignalReadings",
    "Tag",
    "TagListError",
    "by_signal",
    "check_machine",
    "proposal_of",
    "propose",
    "read_proposal",
    "read_tag_list",
    "tag_rows",
    "toml_lines",
    "write_proposal",
    "write_tag_list",
]
