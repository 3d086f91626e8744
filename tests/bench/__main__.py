"""`python -m tests.bench`: measure order fulfilment on this machine (`make bench`)."""

import argparse
import sys

from tests.bench.bench import bench


def main(arguments: list[str]) -> int:
    """Measure what the arguments ask for, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Measure what one transition costs; then, with Kafka, throughput, latency, and CPU of the service.",
        epilog='JSON, one line: {"machine", "runs": [{"tracing", "window" or "rate", "sagas_per_s", "cpu_ms_per_saga", '
        '"p50_ms", "p99_ms"}], "machine_us": {"order_fulfilment": {"median", SIGNAL: ...}, "for_each_1000": {...}}}',
    )
    parser.add_argument("--kafka", choices=("java", "embedded"), default="java", help="a real one from Java, or a mock")
    parser.add_argument("--quick", action="store_true", help="a short run, to see that it works")
    parser.add_argument("--only", choices=("machine", "kafka"), help="one part: transitions alone, or all with Kafka")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    given = parser.parse_args(arguments)
    return bench(kafka=given.kafka, quick=given.quick, as_json=given.json, only=given.only)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
