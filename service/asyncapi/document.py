"""The AsyncAPI document of a catalog: its channels, operations and messages, as the coordinator sees them.

AsyncAPI 3.1.0, https://www.asyncapi.com/docs/reference/specification/v3.1.0. `send` and `receive` are the
coordinator's: a participant receives what it sends. Payloads stand beside the document, a file a message.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from saga_coordinator.handlers.names import Names, dead_letter_topic
from saga_coordinator.service.asyncapi.conversation import MessageRole, WireMessage, summary
from saga_coordinator.service.asyncapi.headers import DEAD_LETTER, headers_of

Node = dict[str, Any]

SCHEMAS: Final = "schemas"
DESCRIPTION: Final = """\
The messages between the coordinator and its participants on Kafka. Records are CloudEvents 1.0 in binary mode; \
their key is the correlation key. A message is identified by its `ce_type`; readers ignore unknown fields.
"""

_PURPOSES: Final = {
    MessageRole.COMMAND: "Commands to one participant, which answers each on the topic that `ce_replyto` names.",
    MessageRole.OUTCOME: "How instances of a saga have ended: one event each.",
    MessageRole.EVENT: "Business events, of which some start or cancel instances.",
    MessageRole.REPLY: "The participants' replies to commands.",
    MessageRole.WITHDRAWAL: "Withdrawals of commands to one participant.",
    MessageRole.ANSWER: "The replies of child sagas to their commands.",
    MessageRole.TASK: "Commands that start child sagas, and their withdrawals.",
}
_DEAD_LETTER: Final = "dead-letter"


def document(messages: Sequence[WireMessage], names: Names) -> Node:
    topics = sorted({each.topic for each in messages})
    return {
        "asyncapi": "3.1.0",
        "info": {"title": "saga-coordinator", "version": "1", "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {**{topic: _channel(topic, messages) for topic in topics}, **dict(_dead_letter_channels(messages))},
        "operations": dict(_operations(messages, names)),
        "components": {"messages": _messages(messages), "schemas": _schemas(messages, names)},
    }


# --- channels


def _channel(topic: str, messages: Iterable[WireMessage]) -> Node:
    here = [each for each in messages if each.topic == topic]
    return {
        "address": topic,
        "description": _PURPOSES[here[0].part],
        "messages": {each.type: _ref("components", "messages", each.type) for each in here},
    }


def _dead_letter_channels(messages: Iterable[WireMessage]) -> Iterator[tuple[str, Node]]:
    for topic in sorted({each.topic for each in messages if not each.is_sent}):
        name = dead_letter_topic(topic)
        letters = {_DEAD_LETTER: _ref("components", "messages", _DEAD_LETTER)}
        what = f"Records of {topic} that cannot be read, as they came."
        yield name, {"address": name, "description": what, "messages": letters}


# --- operations


def _operations(messages: Sequence[WireMessage], names: Names) -> Iterator[tuple[str, Node]]:
    for each in messages:
        action = "send" if each.is_sent else "receive"
        name, operation = _operation(action, each.topic, each.type, summary(each.message))
        if each.answers:
            answers = [_on_channel(names.replies, answer) for answer in each.answers]
            operation["reply"] = {"channel": _ref("channels", names.replies), "messages": answers}
        yield name, operation
    for topic, channel in _dead_letter_channels(messages):
        yield _operation("send", topic, _DEAD_LETTER, channel["description"])


def _operation(action: str, topic: str, type_: str, words: str) -> tuple[str, Node]:
    channel, message = _ref("channels", topic), _on_channel(topic, type_)
    operation = {"action": action, "channel": channel, "summary": words, "messages": [message]}
    return f"{action}-{type_}-on-{topic}", operation


def _on_channel(topic: str, type_: str) -> Node:
    return _ref("channels", topic, "messages", type_)


# --- components


def _messages(messages: Sequence[WireMessage]) -> Node:
    """Describe each type once; one that is both sent and read as it is sent."""
    read = {each.type: each for each in messages if not each.is_sent}
    sent = {each.type: each for each in messages if each.is_sent}
    described: Node = {type_: _message(each) for type_, each in sorted((read | sent).items())}
    described[_DEAD_LETTER] = {
        "name": _DEAD_LETTER,
        "summary": "A record that cannot be read, dead-lettered so that its partition continues.",
        "headers": _ref("components", "schemas", f"{_DEAD_LETTER}-headers"),
        "payload": {"description": "The value of the record, byte for byte."},
    }
    return described


def _message(message: WireMessage) -> Node:
    described: Node = {
        "name": message.type,
        "title": message.message.__name__,
        "summary": summary(message.message),
        "contentType": "application/json",
        "headers": {
            "allOf": [_ref("components", "schemas", f"{message.part}-headers")],
            "properties": {"ce_type": {"const": message.type}},
        },
        "payload": {"$ref": f"./{SCHEMAS}/{message.type}.json"},
        "bindings": {"kafka": {"key": {"type": "string", "description": "The correlation key."}}},
    }
    if message.part is not MessageRole.EVENT:
        described["correlationId"] = {"location": "$message.header#/ce_correlationid"}
    return described


def _schemas(messages: Iterable[WireMessage], names: Names) -> Node:
    parts = {each.part for each in messages}
    headers = {f"{part}-headers": headers_of(part, names) for part in MessageRole if part in parts}
    return {**headers, f"{_DEAD_LETTER}-headers": DEAD_LETTER}


def _ref(*path: str) -> Node:
    return {"$ref": "#/" + "/".join(each.replace("~", "~0").replace("/", "~1") for each in path)}
