"""Prints HOST:PORT of this port on a network interface (IPv4), where one may listen there; else exit code 1.

address.py INTERFACE PORT
"""

import fcntl
import socket
import struct
import sys

_ADDRESS_OF_INTERFACE = 0x8915  # SIOCGIFADDR
_NAME_BYTES = 15


def listening(interface: str, port: int) -> str:
    """Raises `OSError` where the interface is not there, has no address, or the port is taken."""
    if not 0 < len(interface) <= _NAME_BYTES:
        raise OSError(f"no interface is called {interface!r}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        answer = fcntl.ioctl(asking, _ADDRESS_OF_INTERFACE, struct.pack("256s", interface.encode()))
    host = socket.inet_ntoa(answer[20:24])
    socket.create_server((host, port)).close()
    return f"{host}:{port}"


if __name__ == "__main__":
    try:
        print(listening(sys.argv[1], int(sys.argv[2])))
    except OSError as error:
        sys.exit(f"{sys.argv[1] or 'no interface'}: {error}")
