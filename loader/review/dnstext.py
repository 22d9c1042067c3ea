"""One DNS message as text. ◄ door to dnspython"""

from schema.errors import SettingsError


def message_text(payload: bytes) -> str:
    """The message as master files and `dig` write it; what is wrong with it stands in its last lines.

    Raises `SettingsError` where dnspython is missing.
    """
    try:
        import dns.exception
        import dns.message
    except ImportError as error:
        raise SettingsError(f"DNS messages are written by dnspython ({error}): pip install 'pcapline[deep]'") from error
    try:
        message = dns.message.from_wire(payload, ignore_trailing=True, continue_on_error=True)
        text, faults = message.to_text(), [str(fault.exception) for fault in message.errors]
    except (dns.exception.DNSException, ValueError) as error:  # not even a header, or nothing that can be written down
        text, faults = "", [f"{type(error).__name__}: {error}"]
    lines = text.splitlines() + [f"; fault: {fault}" for fault in faults]
    return "\n".join(line if line.isprintable() else ascii(line)[1:-1] for line in lines)
