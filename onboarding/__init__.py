"""What tags mean, and whether a machine that was put on line is well: pure judgements, no I/O.

Takes in names, units, descriptions and samples of tags, or readings of a machine; hands out proposals of machine,
template, signal and conversion, each with its confidence and reason, and the answers of a commissioning check.
Words are data, in ``words.toml``. Knows plant alone.
"""

from onboarding.proposal import THRESHOLD, Candidate, Item, propose
from onboarding.tags import Tag, TagListError, read_tag_list, tag_rows, write_tag_list

__all__ = [
    "THRESHOLD",
    "Candidate",
    "Item",
    "Tag",
    "TagListError",
    "propose",
    "read_tag_list",
    "tag_rows",
    "write_tag_list",
]
