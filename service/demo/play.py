"""The demo's door: plays so many orders on an embedded broker, and returns an exit code."""

import sys

from saga_coordinator.service.demo.script import Script

_WHEEL = "confluent_kafka"
_INTERRUPTED = 130


def play(orders: int = 200, *, as_json: bool = False) -> int:
    """Play a demo of so many orders, show it as it goes, and tell what came of it on standard output.

    Returns 0, or 1 if an order was lost or done twice, or the demo could not be played; 130 after Ctrl-C. With
    `as_json` nothing is shown but one JSON object at the end. Raises `ValueError` for less than one order.
    """
    script = Script.for_orders(orders)
    try:
        from saga_coordinator.service.demo.show import show  # noqa: PLC0415  a missing wheel is told in a sentence, not a traceback
    except ImportError as error:
        if (error.name or "").partition(".")[0] != _WHEEL:
            raise
        sys.stderr.write(
            f"saga demo: {error}. The embedded broker comes with the wheel of confluent-kafka: "
            "`make setup` installs all that is needed\n"
        )
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    return show(script, as_json=as_json)
