"""What is said: the messages of each conversation, and the envelope they travel in."""

from saga_coordinator.contracts.envelope import BadEnvelope, Envelope
from saga_coordinator.contracts.message import CancelCommand, Command, Done, Event, Failure, Message, Reply

__all__ = ["BadEnvelope", "CancelCommand", "Command", "Done", "Envelope", "Event", "Failure", "Message", "Reply"]
