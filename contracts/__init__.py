"""What is said: the messages of each conversation, and the envelope they travel in."""

from contracts.envelope import BadEnvelope, Envelope
from contracts.message import CancelCommand, Command, Done, Event, Failure, Message, Reply

__all__ = ["BadEnvelope", "CancelCommand", "Command", "Done", "Envelope", "Event", "Failure", "Message", "Reply"]
