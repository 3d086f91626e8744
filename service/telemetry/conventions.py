"""The names of spans' attributes: OpenTelemetry's semantic conventions for messaging 1.44.0, and the saga's own."""

from typing import Final

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
"""The version of the conventions that the names follow: a collector can translate them by it."""

SCOPE: Final = "saga-coordinator"
SERVICE_NAME: Final = "service.name"

# --- messaging, https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/ (of development status)

MESSAGING_SYSTEM: Final = "messaging.system"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION_NAME: Final = "messaging.destination.name"
PARTITION_ID: Final = "messaging.destination.partition.id"
CONSUMER_GROUP: Final = "messaging.consumer.group.name"
MESSAGE_ID: Final = "messaging.message.id"
CONVERSATION_ID: Final = "messaging.message.conversation_id"
BATCH_COUNT: Final = "messaging.batch.message_count"
KAFKA_OFFSET: Final = "messaging.kafka.offset"
EVENT_TYPE: Final = "cloudevents.event_type"
ERROR_TYPE: Final = "error.type"

KAFKA: Final = "kafka"
PROCESS: Final = "process"
SEND: Final = "send"
POLL: Final = "poll"
RECEIVE: Final = "receive"

# --- the saga's own

SAGA_NAME: Final = "saga.name"
SAGA_VERSION: Final = "saga.version"
INSTANCE_ID: Final = "saga.instance.id"
CORRELATION_KEY: Final = "saga.correlation.key"
STEP: Final = "saga.step"
DIRECTION: Final = "saga.direction"
ATTEMPT: Final = "saga.attempt"
COMPENSATES: Final = "saga.compensates"
SIGNAL: Final = "saga.signal"
VERDICT: Final = "saga.verdict"
REASON: Final = "saga.reason"
STATUS: Final = "saga.status"
CAUSE_STEP: Final = "saga.cause.step"
CAUSE_CODE: Final = "saga.cause.code"
COMPENSATED_STEPS: Final = "saga.compensated.steps"
DUE_AT: Final = "saga.due_at"
REDRIVEN: Final = "saga.redriven"

EVENT_COMPENSATING: Final = "saga.compensating"
EVENT_COMPENSATION: Final = "saga.compensation"
EVENT_STALLED: Final = "saga.stalled"
EVENT_RETRY: Final = "saga.retry"
