"""Commands, CQL and PromQL out of the code on a page. Pure."""

import re
import shlex
from collections.abc import Iterator

from tests.docs.pages import blocks, spans, steps

_COMMAND = re.compile(r"(?<![\w/.:@=-])(?:\S*/)?pcapline (?=[a-z]|--)((?:[^\n\\]|\\.|\\\n)*)", re.DOTALL)
_CQLSH = re.compile(r"cqlsh [^\n\"]*-e \"(.*?)\"", re.DOTALL)
_ASKED = re.compile(r"'query=(.*?)'", re.DOTALL)
_PROMQL_SPAN = re.compile(r"^(?:sum|max|min|rate|increase|topk|histogram_quantile)\b.*[(].*[)].*$")


def code_of(text: str) -> Iterator[str]:
    """All blocks and spans of a page; of what is shown of a session, what is typed."""
    for block in blocks(text):
        if block.language == "console":
            yield from (step.typed for step in steps(block))
        else:
            yield block.text
    yield from spans(text)


def commands(text: str) -> Iterator[list[str]]:
    """The words after `pcapline`, of each command that is typed or told anywhere on a page."""
    for code in code_of(text):
        for found in _COMMAND.finditer(code):
            words = _until_operator(found[1])
            if words:
                yield words


def _until_operator(text: str) -> list[str]:
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    try:
        for word in lexer:
            if re.fullmatch(r"[|&;<>()]+", word):
                break
            words.append(word)
    except ValueError:  # a quote that closes behind the code that was cut out
        return shlex.split(text.partition("'")[0].partition('"')[0])
    return words[:-1] if words and words[-1].isdigit() and text.split()[-1] == "2>&1" else words


def cql(text: str) -> Iterator[str]:
    """Statements that are given to cqlsh, and those of blocks marked `cql`."""
    for block in blocks(text):
        statements = block.text if block.language == "cql" else ";".join(_CQLSH.findall(block.text))
        yield from (statement.strip() for statement in statements.split(";") if statement.strip())


def promql(text: str) -> Iterator[str]:
    """Expressions: of blocks marked `promql`, of questions to Prometheus, and of spans that look like one."""
    for block in blocks(text):
        if block.language == "promql":
            yield from (line for line in block.text.splitlines() if line.strip())
        yield from _ASKED.findall(block.text)
    yield from (span for span in spans(text) if _PROMQL_SPAN.match(span))
