"""`tenantplan credentials key|rekey|rotate|status`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from tenantplan.cli.common import json_option, print_json, settings
from tenantplan.errors import UsageError

if TYPE_CHECKING:
    from tenantplan.commands.credentials.login_status import LoginStatus
    from tenantplan.model.plan import Plan
    from tenantplan.model.report import Outcome, Report


@click.group("credentials")
def command() -> None:
    """Credentials that are kept encrypted in the main database, the key they are encrypted with, and passwords of logins."""


@command.command("key")
@click.option(
    "--signing",
    is_flag=True,
    help="Print a key pair for signing plan files (Ed25519): the private key, then the public one.",
)
def key(signing: bool) -> None:
    """Print a new random key. Put it where CREDENTIALS_ENCRYPTION_KEY comes from, and keep a copy in a safe place."""
    from tenantplan.secrets.box import new_key
    from tenantplan.secrets.signing import new_pair

    click.echo("\n".join(new_pair()) if signing else new_key())


@command.command("open")
@json_option
def open_(as_json: bool) -> None:
    """Open values that an application has sealed itself under the same key, one on each line of standard input.

    Each is base64 or hex of nonce and box, as libsodium's crypto_secretbox_easy makes them with the 32 bytes of the key. So that
    what a former system has stored can become what a reference refers to. Exit 1 at the first that does not open.
    """
    from tenantplan.fleet.opening import open_fleet
    from tenantplan.secrets.fleet_keys import the_vault
    from tenantplan.secrets.secretbox import open_sealed

    with open_fleet(settings()) as fleet:
        vault = the_vault(fleet.vault)
    lines = [line for line in sys.stdin.read().splitlines() if line.strip()]
    if not lines:
        raise UsageError("there is nothing to open", hint="pass sealed values on standard input, one per line")
    found = [open_sealed(vault, line, f"line {number}") for number, line in enumerate(lines, 1)]
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(found))


@command.command("rekey")
@json_option
def rekey(as_json: bool) -> int:
    """Encrypt every credential under the current key.

    To change the key: name the old one in credentials.formerKeys of tenantplan.yaml, set CREDENTIALS_ENCRYPTION_KEY to a
    new one, run this, and remove the old one when nothing is left under it. Exit 5 when a value does not open.
    """
    from tenantplan.commands.credentials.rekey import rekey as renew
    from tenantplan.rendering.safe import terminal

    found = renew(settings())
    if as_json:
        print_json({"rekeyed": found.done, "refused": dict(found.refused), "keys": dict(found.keys)})
    else:
        click.echo(f"{found.done} re-encrypted.")
        _keys(found.keys)
        for address, reason in found.refused.items():
            click.echo(terminal(f"refused: {address}: {reason}"), err=True)
        if found.refused:
            click.echo("apply stores them again from the references in the YAML.", err=True)
    return 5 if found.refused else 0


@command.command("rotate")
@click.argument("organizations", nargs=-1, metavar="[ORGANIZATION]...")
@click.option("--due", is_flag=True, help="Rotate every login that is due, and end every grace period that is over.")
@json_option
def rotate(organizations: tuple[str, ...], due: bool, as_json: bool) -> int:
    """Give the logins of ORGANIZATIONs (or tenant/NAME) new passwords, and deliver them where their tier says. A generated
    secret or licence key is named by its address, such as organization/NAME/secret/session.

    With two roles the other one gets it, and the one before works until its grace period ends. With one, the new password
    counts at once, and sessions with the one before live that long. What is over is ended by the next rotate or apply, and
    what was interrupted is finished first. Exit 5 when a login could not be rotated, 3 when one has to wait
    for a change window.
    """
    from tenantplan.pipeline import apply
    from tenantplan.pipeline.rotation import rotation

    if not organizations and not due:
        raise UsageError("no organization given", hint="name organizations, or pass --due")
    fleet = settings()
    plan = rotation(fleet, organizations, due=due)
    report = apply.apply(fleet, plan)
    if as_json:
        rotated = [_rotated(outcome) for outcome in report.outcomes]
        print_json(
            {"run": report.run or None, "logins": rotated, "unreachable": [f.address for f in plan.unreachable]}
            | {"deferred": [deferral.document() for deferral in plan.deferred]}
        )
    else:
        _show(plan, report)
    failed = report.count("failed", "skipped", "stale") or report.stopped or plan.unreachable
    return 5 if failed else 3 if plan.deferred else 0


def _rotated(outcome: Outcome) -> dict[str, Any]:
    """What became of one role: a new password, or the end of its former one; or of one generated secret: a new value."""
    from tenantplan.model.operation import generates
    from tenantplan.model.resource import Role, one
    from tenantplan.planning.secret_rotation import generated

    fresh = generated(outcome.operation.after)
    if fresh:
        return {
            "holder": outcome.operation.address,
            "role": "",
            "what": "new value",
            "target": next(iter(fresh.values())).target,
            "status": outcome.status,
            "error": outcome.error or None,
        }
    role, new = one(outcome.operation.after, Role), generates(outcome.operation)
    password = role.password if role is not None else None
    return {
        "holder": role.holder if role is not None else "",
        "role": role.name if role is not None else "",
        "what": "new password" if new else "former password ended",
        "target": password.target if new and password is not None else None,
        "status": outcome.status,
        "error": outcome.error or None,
    }


def _show(plan: Plan, report: Report) -> None:
    from tenantplan.rendering.safe import mask_url, terminal

    for outcome in report.outcomes:
        found = _rotated(outcome)
        summary = found["what"] if found["what"] == "new value" else outcome.operation.summary
        said = summary if outcome.status == "done" else f"{outcome.status}  {mask_url(outcome.error)}"
        click.echo(f"  {'~' if outcome.status == 'done' else '!'} {terminal(found['holder'])}  {terminal(said)}")
    for finding in plan.unreachable:
        click.echo(f"  ! {terminal(finding.address)}  {terminal(finding.message)}", err=True)
    for deferral in plan.deferred:
        click.echo(f"  ! {terminal(deferral.address)}  {terminal(deferral.why)}, until {deferral.when}", err=True)
    if not report.outcomes and not plan.deferred:
        click.echo("Nothing is due.")


@command.command("status")
@json_option
def status(as_json: bool) -> int:
    """Show how many credentials are encrypted under each key, and the logins whose passwords tenantplan generates.

    Exit 1 when one of the keys is not at hand.
    """
    from tenantplan.commands.credentials.login_status import login_status
    from tenantplan.commands.status.fleet_view import main_session
    from tenantplan.fleet.opening import open_fleet
    from tenantplan.live.credentials import read_keys

    with open_fleet(settings()) as fleet:
        vault = fleet.vault
        with main_session(fleet) as connection:
            found = read_keys(connection)
            logins = login_status(fleet, connection)
    unknown = sorted(found.keys() - (vault.key_ids if vault else frozenset()))
    if as_json:
        print_json(
            {"keys": found, "current": vault.key_id if vault else None, "unknown": unknown}
            | {"logins": [login.document() for login in logins]}
        )
    else:
        _keys(found)
        _logins(logins)
    for key_id in unknown:
        click.echo(
            f"key {key_id} is not available: name it in credentials.formerKeys, or apply to store them again",
            err=True,
        )
    return 1 if unknown else 0


def _logins(logins: list[LoginStatus]) -> None:
    from tenantplan.cli.common import color
    from tenantplan.rendering.text import table

    if logins:
        lines = [
            (
                login.holder,
                login.role,
                login.target,
                login.set_at or "not yet",
                f"{login.due_at}{' (due)' if login.due else ''}",
                login.former or "",
                "interrupted: rotate again" if login.pending else "",
            )
            for login in logins
        ]
        heads = ("LOGIN OF", "ROLE", "DELIVERED TO", "PASSWORD SINCE", "NEXT", "FORMER UNTIL", "")
        click.echo("\n" + table(heads, lines, color=color()), nl=False)


def _keys(found: object) -> None:
    assert isinstance(found, dict)
    for key_id, count in found.items():
        click.echo(f"key {key_id}: {count} credential{'s' if count != 1 else ''}")
    if not found:
        click.echo("Nothing is encrypted.")
