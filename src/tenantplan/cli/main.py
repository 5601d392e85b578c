"""The `tenantplan` command. Commands are imported when they are called: help has to be instant."""

from __future__ import annotations

import gc
import io
import os
import sys
from importlib import import_module

import click

from tenantplan import __version__
from tenantplan.errors import TenantplanError

# name -> (module, what the list of commands says)
COMMANDS = {
    "init": ("init", "Create a fleet repository in an empty folder."),
    "validate": ("validate", "Check the YAML; needs no database."),
    "plan": ("plan", "Show what apply would change. Writes nothing."),
    "apply": ("apply", "Bring the live databases to what the YAML says."),
    "drift": ("drift", "Compare live databases with what was last applied."),
    "status": ("status", "Show every organization, its database and revision."),
    "audit": ("audit", "Read and verify the audit log."),
    "db": ("db", "Show or test the connection of an organization."),
    "credentials": ("credentials", "Create or change the encryption key; rotate passwords of logins."),
    "migrations": ("migrations", "Show revisions, the SQL between them and what is dangerous in it; create a new one."),
    "schema": ("schema", "Export the JSON Schema of the YAML."),
    "dev": ("dev", "Start, stop or enter the embedded PostgreSQL."),
    "report": ("report", "Report on tenants, licenses, metrics and databases."),
    "maintain": ("maintain", "VACUUM and ANALYZE every database."),
    "seed": ("seed", "Fill a development fleet with demo rows."),
    "selftest": ("selftest", "Test a live server: create, read, cascade, log in, clean up."),
    "doctor": ("doctor", "Go through the checklist before a deployment."),
    "unlock": ("unlock", "End an apply that hangs."),
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of this package, imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order a person meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command called `name`."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"tenantplan.cli.{COMMANDS[name][0]}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table: nothing is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command named by the first argument; a misspelt one names the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            raise click.UsageError(
                f"{error.message.rstrip('.')}" + (f"; did you mean {near[0]}?" if near else ""), ctx
            ) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="tenantplan")
@click.option(
    "--fleet", metavar="PATH", help="The fleet file or its folder. Default: TENANTPLAN_FLEET, or upward from here."
)
@click.pass_context
def cli(context: click.Context, fleet: str | None) -> None:
    """Keep the organizations and tenants of a SaaS on PostgreSQL as their YAML says: one plan, reviewed, applied once.

    Exit codes: 0 done, 1 error, 2 changes or drift, 3 blocked, 4 plan file refused, 5 applied in part, 6 locked.
    """
    context.obj = fleet


# libpq makes settings of a session of them, which override those that tenantplan asks for.
_SESSION_VARIABLES = ("PGTZ", "PGDATESTYLE", "PGGEQO")


def main() -> None:
    """Runs the command line and exits: the one place that turns errors into exit codes."""
    for name in _SESSION_VARIABLES:
        os.environ.pop(name, None)
    gc.set_threshold(1_000_000, 50, 50)  # thousands of documents live to the end: looking for garbage in them is waste
    try:
        code = cli.main(prog_name="tenantplan", standalone_mode=False)
        _flush()
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort as error:
        _fail("interrupted; run the same command again to finish what was begun", 1, error)
    except click.ClickException as error:
        _misused(error)
    except TenantplanError as error:
        _fail(str(error), error.exit_code, error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  # a person gets a line, never a traceback
        _unexpected(error)
    finally:
        gc.freeze()  # the interpreter would look for garbage once more at its end


def _flush() -> None:
    sys.stdout.flush()


def _misused(error: click.ClickException) -> None:
    """What click says of the arguments, which CI may have from a pull request."""
    from tenantplan.cli import failures
    from tenantplan.rendering.safe import terminal

    failures.show(error, error.message, 1, sys.argv[1:])

    shown = io.StringIO()
    error.show(shown)
    click.echo("\n".join(terminal(line) for line in shown.getvalue().rstrip("\n").split("\n")), err=True)
    sys.exit(1)


def _unexpected(error: Exception) -> None:
    """What escaped as another library's error: a person gets one line, a developer the traceback on request."""
    if os.environ.get("TENANTPLAN_TRACEBACK"):
        raise error
    said = type(error).__name__
    if said != "OSError" and hasattr(error, "sqlstate"):
        from tenantplan.postgres.advice import describe

        said = f"{describe(error)}\n  see the server's log, and run the same command again"  # type: ignore[arg-type]
    elif isinstance(error, OSError):
        said = f"{error.strerror}: {error.filename}" if error.filename else str(error)
    _fail(f"{said}\n  TENANTPLAN_TRACEBACK=1 shows where it came from", 1, error)


def _fail(message: str, code: int, error: Exception) -> None:
    from tenantplan.cli import failures
    from tenantplan.rendering.safe import terminal

    failures.show(error, message, code, sys.argv[1:])
    lines = [terminal(line) for line in message.split("\n")]
    click.echo("tenantplan: " + "\n".join(lines), err=True)
    sys.exit(code)
