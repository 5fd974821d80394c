"""Commands on OPC UA certificates: whom we trust, and who we are."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from brain.commands.invocation import DataDir, Json, print_json, run_body
from brain.failure import Failure

if TYPE_CHECKING:
    from collectors import Certificate, CertificateStore

_ANSWER_S = 10.0


def _store(data_dir: Path | None) -> "CertificateStore":
    from brain.settings import load_settings
    from collectors import CertificateStore

    return CertificateStore(load_settings(data_dir=data_dir).pki_dir)


def trust(
    which: Annotated[
        str | None,
        typer.Argument(metavar="[FILE|URL]", help="certificate file, or address to fetch it from"),
    ] = None,
    fingerprint: Annotated[
        str, typer.Option(help="SHA-256 it must have; with it nothing is asked (spaces and colons do not matter)")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask; the fingerprint was compared already")] = False,
    remove: Annotated[str, typer.Option(metavar="FINGERPRINT", help="no longer trust what begins so")] = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Trust an OPC UA server's certificate; without a name, list those trusted. Example: `brain onboard trust opc.tcp://192.0.2.10:4840`"""
    store = _store(data_dir)
    if remove:
        gone = store.distrust(_plain(remove))
        if not gone:
            raise Failure(f"no trusted certificate begins with {remove}: `brain onboard trust` lists them")
        _show(gone, "no longer trusted", as_json=as_json)
    elif which is None:
        _show(store.trusted(), "trusted", as_json=as_json)
    else:
        found = _from_server(which) if urlsplit(which).scheme == "opc.tcp" else [_from_file(Path(which))]
        if fingerprint:
            fitting = [one for one in found if one.fingerprint == _plain(fingerprint)]
            if not fitting:
                seen = ", ".join(one.fingerprint for one in found)
                raise Failure(f"nothing there has that fingerprint, but {seen}: do not trust it")
            found = fitting
        for one in found:
            if not (fingerprint or yes or store.trusts(one)):
                typer.echo(f"{one.subject}, valid until {one.expires:%Y-%m-%d}\nSHA-256 {one.fingerprint}")
                typer.confirm("Is this the fingerprint that the server's own screen or its owner tells?", abort=True)
            store.trust(one)
        _show(found, "trusted", as_json=as_json)


def certificate(
    renew: Annotated[
        bool, typer.Option("--renew", help="make a new one; every server must trust it before it takes us again")
    ] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Our own OPC UA certificate, for servers to trust; made on first use. Example: `brain onboard certificate`"""
    store = _store(data_dir)
    ours = store.renew() if renew else store.own()
    typer.echo(str(store.own_certificate_file))
    _show([ours], "ours", as_json=as_json)


def _from_file(path: Path) -> "Certificate":
    from collectors import Certificate

    try:
        return Certificate.of(path.read_bytes())
    except ValueError as problem:
        raise Failure(f"{path} is no certificate in DER or PEM form: {problem}") from problem


def _from_server(url: str) -> "list[Certificate]":
    from asyncua.ua import UaError

    from collectors import Certificate, offered

    try:
        endpoints = run_body(offered(url, _ANSWER_S))
    except (OSError, TimeoutError, UaError) as problem:
        raise Failure(f"{url} does not tell its endpoints: {type(problem).__name__}: {problem}") from problem
    found = {end.ServerCertificate for end in endpoints if end.ServerCertificate}
    if not found:
        raise Failure(f"{url} shows no certificate: it offers no security")
    return [Certificate.of(content) for content in sorted(found)]


def _plain(fingerprint: str) -> str:
    return fingerprint.replace(":", "").replace(" ", "").lower()


def _show(certificates: "Sequence[Certificate]", word: str, *, as_json: bool) -> None:
    items = [
        {"subject": one.subject, "fingerprint": one.fingerprint, "expires": one.expires.isoformat()}
        for one in certificates
    ]
    for item in items:
        typer.echo(f"{word}: {item['subject']}, until {item['expires'][:10]}, SHA-256 {item['fingerprint']}")
    if not items:
        typer.echo("no certificate is trusted")
    if as_json:
        print_json({"items": items})
