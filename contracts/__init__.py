"""The messages between the coordinator and its participants, and the envelope that they travel in."""

from saga_coordinator.contracts.envelope import BadEnvelope, Envelope
from saga_coordinator.contracts.message import CancelCommand, Command, Done, Event, Failure, Message, Reply

__all__ = ["BadEnvelope", "CancelCommand", "Command", "Done", "Envelope", "Event", "Failure", "Message", "Reply"]
