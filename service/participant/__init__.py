"""Participants in Python: what a service declares that carries out commands."""

from saga_coordinator.service.participant.declaration import Original, Participant, transactional

__all__ = ["Original", "Participant", "transactional"]
