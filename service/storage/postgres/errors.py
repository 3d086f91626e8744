"""What an error of PostgreSQL means, and what to do about it."""

import ssl
from typing import Final

import asyncpg

from saga_coordinator.handlers.ports import Conflict
from saga_coordinator.service.errors import StoreError

_RETRIED: Final = frozenset({"22012", "40001", "40P01", "55P03"})
"""A failed check of the short form, or a lost race for locks: nothing was written, and it is decided again."""

_ENDING: Final = ("08", "57P", "XX")
"""Classes of errors after which the session is not trusted: connection, shutdown, internal error."""

_REMEDIES: Final = {
    "28": "correct the user in SAGA_STORE, and its password",
    "3D": "create the database, or correct its name in SAGA_STORE",
    "3F": "run `saga db upgrade`",
    "42501": "grant the user of SAGA_STORE what `saga db upgrade` has created, or let it own the database",
    "42P01": "run `saga db upgrade`",
    "25006": "it is a standby: let SAGA_STORE name the primary, or several hosts",
    "53100": "make room on its disk",
    "53300": "raise max_connections, or end other sessions",
    "57014": "a statement took too long: see what keeps the server busy",
}


_REACHED: Final = "see that the server runs and can be reached, and it continues"
_CERTIFICATE: Final = "correct SAGA_STORE_SSL_CAFILE, or the host in SAGA_STORE, or the server's certificate"


def is_of_statement(error: BaseException) -> bool:
    """Return whether the server has refused a statement, and the session can be used further.

    After anything else, whatever its class, the outcome of what ran is unknown.
    """
    return isinstance(error, asyncpg.PostgresError) and not (error.sqlstate or "XX").startswith(_ENDING)


def is_timeout(error: BaseException | None) -> bool:
    """Return whether the server has ended a statement because it took too long."""
    return isinstance(error, asyncpg.QueryCanceledError)


def meaning_of(error: BaseException, database: str) -> Exception:
    """Return an error as the store raises it: `Conflict` for what is decided again, else `StoreError`."""
    if not isinstance(error, asyncpg.PostgresError) or not is_of_statement(error):
        reason = str(error) or type(error).__name__
        return StoreError(f"{database}: {reason}; {_CERTIFICATE if isinstance(error, ssl.SSLError) else _REACHED}")
    if error.sqlstate in _RETRIED or getattr(error, "constraint_name", None) == "instance_pkey":
        return Conflict(f"another writer was first: {error}")
    return StoreError(f"{database}: {error}; {_remedy(error.sqlstate or '')}")


def _remedy(sqlstate: str) -> str:
    codes = (sqlstate, sqlstate[:2])
    return next((_REMEDIES[each] for each in codes if each in _REMEDIES), "it is retried")
