"""The golden captures as tshark reads them: what differs is in the classes that the public captures have too."""

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden.make import CAPTURES, FOLDER
from tests.loader.decode.oracle_classes import UNEXPLAINED
from tests.loader.decode.oracle_comparison import compare
from tests.servers import require
from tests.shared_captures import SHARED, needs_shared

# Where tshark goes on reading what the decoder stops at; their rows are judged by hand.
_HOSTILE = {
    *("dns-broken", "dns-name-bomb", "dns-odd-names", "dns-pointer-loops"),
    *("dns-fragments-interleaved", "dns-fragments-overlapping", "fragments-tiny"),
    *("between-mpls", "link-null-ipv6", "lying-lengths", "tunnels-broken", "tunnels-that-are-none"),
}
_CORRUPT = {name for name in CAPTURES if name.startswith("corrupt-")}
# tshark takes custom blocks for packets, gives packets without a time none, and ends at an interface that it does not know.
_ODD = {name for name in CAPTURES if name.startswith("odd-")}
# Its nanoseconds are microseconds to tshark before 4.2.
_ODD.add("pcap-ixia-hardware")


@needs_shared
@pytest.mark.parametrize("name", sorted(CAPTURES.keys() - _HOSTILE - _CORRUPT - _ODD))
def test_a_golden_capture_reads_as_tshark_reads_it(name: str, tmp_path: Path) -> None:
    require(shutil.which("tshark") is not None, "tshark is not installed")
    assert SHARED is not None
    capture = Path(shutil.copy(FOLDER / f"{name}.pcap", tmp_path))
    rows = ["--packets", "--dns"] if name.startswith("dns-") else ["--packets"]
    command = [sys.executable, str(SHARED / "tools" / "oracle.py"), str(capture), *rows]
    seen = subprocess.run(command, capture_output=True, check=True).stdout
    capture.with_name(f"{capture.name}.expected.jsonl.gz").write_bytes(gzip.compress(seen))
    assert compare([capture]).differences.get(UNEXPLAINED, []) == []
