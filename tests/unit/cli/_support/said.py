"""What the command line says when it is asked, and how it ends."""

import json
from typing import Any, NamedTuple

from typer.testing import CliRunner

from saga_coordinator.service.cli.main import app


class Said(NamedTuple):
    """Exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401  whatever the verb prints
        """Standard output, which is JSON and nothing else."""
        return json.loads(self.out)


class Saga:
    """`saga(...)` runs a verb in this process, `given` on standard input. What nobody has expected is raised."""

    def __call__(self, *arguments: str, given: str | None = None) -> Said:
        result = CliRunner().invoke(app, list(arguments), input=given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    def does(self, *arguments: str) -> Said:
        """Run a verb that must end well."""
        said = self(*arguments)
        assert said.code == 0, said
        return said
