"""Labels of a DNS name as rows have it: a dot within a label is escaped there, as in master files (RFC 1035 5.1)."""

import re

_LABEL_OR_DOT = re.compile(r"(?:[^.\\]|\\.?)+|\.", re.DOTALL)


def labels_of(name: str) -> list[str]:
    """The labels, escaped as in the name; whoever names a host `bank\\.example` within its own domain names one label."""
    labels = [""]
    for part in _LABEL_OR_DOT.findall(name):
        if part == ".":
            labels.append("")
        else:
            labels[-1] = part
    return labels


def is_below(name: str, suffix: str) -> bool:
    """Whether a name ends in these labels and has one more at least."""
    labels, ending = labels_of(name), labels_of(suffix)
    return len(labels) > len(ending) and labels[-len(ending) :] == ending
