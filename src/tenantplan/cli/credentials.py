"""`tenantplan credentials key|rekey|status`."""

from __future__ import annotations

import click

from tenantplan.cli.common import json_option, print_json, settings


@click.group("credentials")
def command() -> None:
    """Credentials that are kept encrypted in the main database, and the key they are encrypted with."""


@command.command("key")
@click.option(
    "--signing", is_flag=True, help="A pair to sign plan files with (Ed25519): the private key, then the public."
)
def key(signing: bool) -> None:
    """Print a new random key. Put it where CREDENTIALS_ENCRYPTION_KEY comes from, and keep a copy in a safe place."""
    from tenantplan.secrets.box import new_key
    from tenantplan.secrets.signing import new_pair

    click.echo("\n".join(new_pair()) if signing else new_key())


@command.command("rekey")
@json_option
def rekey(as_json: bool) -> int:
    """Encrypt every credential under the current key.

    To change the key: name the old one in credentials.formerKeys of tenantplan.yaml, set CREDENTIALS_ENCRYPTION_KEY to a
    new one, run this, and remove the old one when nothing is left under it. Exit 5 when a value does not open.
    """
    from tenantplan.rendering.safe import terminal
    from tenantplan.run.rekey import rekey as renew

    found = renew(settings())
    if as_json:
        print_json({"rekeyed": found.done, "refused": dict(found.refused), "keys": dict(found.keys)})
    else:
        click.echo(f"{found.done} encrypted anew.")
        _keys(found.keys)
        for address, reason in found.refused.items():
            click.echo(terminal(f"refused: {address}: {reason}"), err=True)
        if found.refused:
            click.echo("apply stores them again from the references in the YAML.", err=True)
    return 5 if found.refused else 0


@command.command("status")
@json_option
def status(as_json: bool) -> int:
    """Show how many credentials are encrypted under each key. Exit 1 when one of the keys is not at hand."""
    from tenantplan.inspection.scene import main_session
    from tenantplan.run.rekey import keys
    from tenantplan.secrets.keys import fleet_vault

    fleet = settings()
    vault = fleet_vault(fleet)
    with main_session(fleet) as connection:
        found = keys(connection)
    unknown = sorted(found.keys() - (vault.key_ids if vault else frozenset()))
    if as_json:
        print_json({"keys": found, "current": vault.key_id if vault else None, "unknown": unknown})
    else:
        _keys(found)
    for key_id in unknown:
        click.echo(f"key {key_id} is not at hand: name it in credentials.formerKeys, or apply to store anew", err=True)
    return 1 if unknown else 0


def _keys(found: object) -> None:
    assert isinstance(found, dict)
    for key_id, count in found.items():
        click.echo(f"key {key_id}: {count} credential{'s' if count != 1 else ''}")
    if not found:
        click.echo("Nothing is encrypted.")
