"""Publishes one record as kcat or Kafka's console producer does: as much of their options as the pages use."""

import sys
from argparse import ArgumentParser

from confluent_kafka import Producer


def main() -> None:
    """Read a record from standard input as the tool of this program's name does, and publish it."""
    tool, *arguments = sys.argv[1:]
    parser = ArgumentParser(tool)
    parser.add_argument("-P", action="store_true", required=tool == "kcat")
    parser.add_argument("-b", "--bootstrap-server", required=True)
    parser.add_argument("-t", "--topic", required=True)
    parser.add_argument("-k", dest="key")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("--property", action="append", default=[])
    options = parser.parse_args(arguments)
    value = sys.stdin.read().removesuffix("\n")
    separator = "="
    if "parse.key=true" in options.property:  # in this order, if both are parsed
        headers, options.key, value = value.split("\t")
        separator, options.headers = ":", headers.split(",")
        assert "parse.headers=true" in options.property
    pairs = [tuple(each.split(separator, 1)) for each in options.headers]
    producer = Producer({"bootstrap.servers": options.bootstrap_server})
    producer.produce(options.topic, value, options.key, headers=pairs)
    sys.exit(producer.flush(10))


main()
