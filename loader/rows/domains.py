"""Which domain a name is registered under: `www.shop.example.co.uk` belongs to `example.co.uk`.

What registries register below is the ICANN part of the public suffix list (publicsuffix.org); a copy comes with the library.
The list's private part (`github.io`) is left out: those are registered domains too, and whoever asks for one means all of it.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path

import publicsuffixlist

from schema.labels import labels_of


def a_labels(name: str) -> str:
    """A name of any script as DNS has it (`münchen.de`: `xn--mnchen-3ya.de`; UTS 46, RFC 5891). Raises `ValueError` for what
    is none."""
    import idna  # here: its tables take a while to load, and few names need them

    labels = labels_of(name)  # those of services (`_sip`) are no host's, and stay
    return ".".join(label if label.isascii() else idna.encode(label, uts46=True).decode("ascii") for label in labels)


@lru_cache(maxsize=65_536)
def registered_domain(name: str) -> str | None:
    """The registered domain of a name as DNS text has it; None for a public suffix (`co.uk`) or a name of one label."""
    if "\\" not in name:
        return _suffixes().privatesuffix(name)
    labels = labels_of(name)
    domain = _suffixes().privatesuffix(".".join(label.replace(".", "-") for label in labels))  # the list splits at every dot
    return ".".join(labels[-domain.count(".") - 1 :]) if domain else None


@cache
def _suffixes() -> publicsuffixlist.PublicSuffixList:
    return publicsuffixlist.PublicSuffixList(_rules(), accept_encoded_idn=False)


def _rules() -> Iterator[str]:
    """The rules of registries, as names are on the wire. The library would take three times as long: it looks at each line and
    spells it both ways."""
    with Path(publicsuffixlist.PSLFILE).open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("// ===END ICANN DOMAINS==="):
                return
            if not line.startswith(("//", "\n")):
                yield line if line.isascii() else line.strip().encode("idna").decode()
