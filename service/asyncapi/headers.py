"""The headers of each kind of message, as JSON Schema: CloudEvents in Kafka's binary mode, and the trace context."""

from typing import Any, Final

from saga_coordinator.handlers.names import Names
from saga_coordinator.service.asyncapi.conversation import MessageRole

_TEXT: Final = {"type": "string"}

_EVERY: Final[dict[str, Any]] = {
    "ce_specversion": {"const": "1.0"},
    "ce_id": {**_TEXT, "description": "The message's own id; a copy of a message has the same."},
    "ce_source": {**_TEXT, "description": "The service that publishes it."},
    "ce_type": {**_TEXT, "description": "The type of the message."},
    "ce_time": {**_TEXT, "format": "date-time"},
    "ce_subject": {**_TEXT, "description": "The correlation key, such as the order's id."},
    "content-type": {"const": "application/json"},
    "traceparent": {**_TEXT, "description": "W3C Trace Context of this hop."},
    "tracestate": {**_TEXT, "description": "W3C Trace Context, passed on."},
}
_CORRELATION: Final = {
    "ce_correlationid": {**_TEXT, "format": "uuid", "description": "The id of the instance; a reply echoes it."},
    "ce_causationid": {
        **_TEXT,
        "description": "The id of the message that this one follows from; on a reply the ce_id of its command.",
    },
}
_REPLY_TO: Final = {"description": "The topic on which the reply is expected."}
_ORDER: Final = {
    "ce_replyto": {**_TEXT, **_REPLY_TO},
    "ce_sagastep": {**_TEXT, "description": "The step that sends it."},
    "ce_sagadirection": {"enum": ["forward", "compensation"]},
    "ce_attempt": {**_TEXT, "pattern": "^[1-9][0-9]*$", "description": "Grows only after a definite refusal."},
    "ce_compensates": {**_TEXT, "format": "uuid", "description": "The id of the command that this one undoes."},
}
_NEEDED: Final = ("ce_specversion", "ce_id", "ce_source", "ce_type")
_BY_US: Final = (*_NEEDED, "ce_time", "ce_subject", "content-type", "traceparent")
_LINKED: Final = tuple(_CORRELATION)
_ORDERED: Final = ("ce_replyto", "ce_sagastep", "ce_sagadirection", "ce_attempt")

_PARTS: Final = {
    MessageRole.COMMAND: ({**_EVERY, **_CORRELATION, **_ORDER}, (*_BY_US, *_LINKED, *_ORDERED)),
    MessageRole.OUTCOME: ({**_EVERY, **_CORRELATION}, (*_BY_US, *_LINKED)),
    MessageRole.EVENT: (_EVERY, _NEEDED),
    MessageRole.WITHDRAWAL: ({**_EVERY, **_CORRELATION}, (*_BY_US, *_LINKED)),
    MessageRole.ANSWER: ({**_EVERY, **_CORRELATION}, (*_BY_US, "ce_causationid")),
    MessageRole.TASK: ({**_EVERY, **_CORRELATION, **_ORDER}, _NEEDED),
    MessageRole.REPLY: ({**_EVERY, **_CORRELATION}, (*_NEEDED, *_LINKED)),
}

_DEAD_LETTER: Final[dict[str, Any]] = {
    "kafka_dlt-original-topic": _TEXT,
    "kafka_dlt-original-partition": {"description": "4 bytes, big-endian."},
    "kafka_dlt-original-offset": {"description": "8 bytes, big-endian."},
    "kafka_dlt-original-timestamp": {"description": "8 bytes, big-endian, milliseconds since 1970."},
    "kafka_dlt-original-timestamp-type": _TEXT,
    "kafka_dlt-original-consumer-group": _TEXT,
    "kafka_dlt-exception-fqcn": _TEXT,
    "kafka_dlt-exception-cause-fqcn": {**_TEXT, "description": "The class of what a saga's function raised."},
    "kafka_dlt-exception-message": {**_TEXT, "description": "The cause, without what an exception says."},
}
_SOMETIMES: Final = {"kafka_dlt-original-consumer-group", "kafka_dlt-exception-cause-fqcn"}

DEAD_LETTER: Final[dict[str, Any]] = {
    "type": "object",
    "description": "The record's own headers, byte for byte, and after them its position and why it was dead-lettered.",
    "required": [name for name in _DEAD_LETTER if name not in _SOMETIMES],
    "properties": _DEAD_LETTER,
}


def headers_of(part: MessageRole, names: Names) -> dict[str, Any]:
    """Return the schema of the headers that messages of this kind have. On Kafka every value is UTF-8 text."""
    properties, required = _PARTS[part]
    if part is MessageRole.COMMAND:
        properties = properties | {"ce_replyto": {"const": names.replies, **_REPLY_TO}}
    return {"type": "object", "required": list(required), "properties": properties}
