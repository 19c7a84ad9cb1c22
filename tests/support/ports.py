"""Free ports of 127.0.0.1."""

import random
import socket


def free_ports(count):
    """Ports that nobody listened on a moment ago.

    Below the range from which the system serves outgoing connections, so that
    none of these takes one while its service is restarted.
    """
    ports = []
    while len(ports) < count:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports
