"""The command `ponte`: names, options and exit codes; what a command does lives in `gateway/commands`.

Each command imports what it needs when it runs, so that `ponte --help` answers within 200 ms.
"""

import contextlib
import gc
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, cast

import typer

Json: TypeAlias = Annotated[
    bool,
    typer.Option("--json", envvar="PONTE_JSON", help="Print JSON for programs instead of text for people."),
]

ConnectorsDir: TypeAlias = Annotated[
    Path | None,
    typer.Option(envvar="PONTE_CONNECTORS_DIR", help="Folder of connectors of your own, installed or not."),
]

app = typer.Typer(
    name="ponte",
    help="Ponte: card sales, store orders and fiscal documents become points, exactly once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
)


def main() -> None:
    """Run the command line."""
    app()


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    """Turn what the hub refuses into one sentence and exit code 1; a defect of ours keeps its traceback."""
    try:
        yield
    except Exception as error:
        from gateway.commands.refusals import sentence_of

        sentence = sentence_of(error)
        if sentence is None:
            raise
        typer.secho(sentence, fg="red", err=True)
        raise typer.Exit(1) from None


def _environ(connectors_dir: Path | None) -> Mapping[str, str]:
    """Return the variables of this process, the folder of connectors as the option says."""
    return (
        os.environ if connectors_dir is None else {**os.environ, "PONTE_CONNECTORS_DIR": str(connectors_dir)}
    )


@app.command()
def serve(
    *,
    host: Annotated[str, typer.Option(envvar="PONTE_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="PONTE_PORT", min=0, max=65_535, help="0 takes a free one.")
    ] = 8000,
    no_worker: Annotated[
        bool,
        typer.Option("--no-worker", envvar="PONTE_NO_WORKER", help="Leave what is due to another process."),
    ] = False,
    connectors_dir: ConnectorsDir = None,
    json: Json = False,
) -> None:
    """Run the hub: HTTP and the worker, until SIGTERM or Ctrl-C."""
    gc.disable()  # a start makes a million objects and no garbage; a hub that serves enables it again
    from gateway.commands import running

    with _plainly():
        told = _environ(connectors_dir)
        running.serve(told, host=host, port=port, with_worker=not no_worker, as_json=json)


@app.command()
def work(
    *,
    once: Annotated[
        bool, typer.Option("--once", envvar="PONTE_ONCE", help="Do what is due, then end.")
    ] = False,
    connectors_dir: ConnectorsDir = None,
    json: Json = False,
) -> None:
    """Do what is due by the clock, without HTTP. Takes the place of a hub: one process writes a database."""
    from gateway.commands import running

    with _plainly():
        running.work(_environ(connectors_dir), once=once, as_json=json)


@app.command()
def demo(
    *,
    seed: Annotated[int, typer.Option(envvar="PONTE_SEED", min=0, help="Another seed, another day.")] = 1,
    keep: Annotated[
        bool,
        typer.Option("--keep", envvar="PONTE_KEEP", help="Leave the hub running and say how to play on."),
    ] = False,
    account: Annotated[
        str | None, typer.Option(envvar="PONTE_ACCOUNT", help="Id of the market's Stone account (acc_...).")
    ] = None,
    connectors_dir: ConnectorsDir = None,
    json: Json = False,
) -> None:
    """Play a day of sales on a hub of its own, through real HTTP, and check every figure."""
    from gateway.demo.play import play

    with _plainly():
        right = play(seed=seed, keep=keep, as_json=json, account=account, connectors_dir=connectors_dir)
    raise typer.Exit(0 if right else 1)


@app.command()
def doctor(*, json: Json = False) -> None:
    """Check settings, keys, database, connectors and clock: one line each, exit code 1 if any is wrong."""
    from gateway.commands import diagnosis

    with _plainly():
        right = diagnosis.diagnose(os.environ, as_json=json)
    raise typer.Exit(0 if right else 1)


@app.command()
def connectors(
    *,
    quick: Annotated[
        bool,
        typer.Option("--quick", envvar="PONTE_QUICK", help="Leave out the levels, which the kit computes."),
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", envvar="PONTE_MARKDOWN", help="Print the table of the README.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option(envvar="PONTE_INTO", help="Write the table anew into this page.")
    ] = None,
    connectors_dir: ConnectorsDir = None,
    json: Json = False,
) -> None:
    """List the connectors that are installed, what each can do, and how far each may be relied upon."""
    from gateway.commands.connectors import show_connectors

    with _plainly():
        show_connectors(as_json=json, as_markdown=markdown, quick=quick, into=into, folder=connectors_dir)


@app.command("new-connector")
def new_connector(
    name: Annotated[str, typer.Argument(help="Slug of the connector and name of its folder.")],
    *,
    webhook: Annotated[
        bool, typer.Option("--webhook", envvar="PONTE_WEBHOOK", help="The vendor sends what happened.")
    ] = False,
    poll: Annotated[
        bool, typer.Option("--poll", envvar="PONTE_POLL", help="The vendor is asked what changed.")
    ] = False,
    coupons: Annotated[
        bool, typer.Option("--coupons", envvar="PONTE_COUPONS", help="Vouchers become coupons there.")
    ] = False,
    into: Annotated[Path, typer.Option(envvar="PONTE_INTO", help="Where the folder is made.")] = Path(),
    json: Json = False,
) -> None:
    """Make the folder of a connector that passes the kit before the first edit; without a choice, a webhook."""
    from gateway.commands.new_connector import make

    wanted = {"webhook": webhook, "poll": poll, "coupons": coupons}
    with _plainly():
        make(name, [each for each, chosen in wanted.items() if chosen], into, as_json=json)


@app.command("try")
def try_connector(  # noqa: PLR0913 -- one parameter an option
    connector: Annotated[str, typer.Argument(help="Folder, file or slug of a connector.")],
    sample: Annotated[
        str | None, typer.Argument(help="A sample, by file or by name; none: every sample it has.")
    ] = None,
    *,
    file: Annotated[
        Path | None, typer.Option(envvar="PONTE_FILE", help="Body of a webhook; - is standard input.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(envvar="PONTE_HEADER", help="Its header, `name: value`; repeat.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(envvar="PONTE_CONFIG", help="Config as JSON; none: that of a sample.")
    ] = None,
    answer: Annotated[
        list[Path] | None,
        typer.Option(envvar="PONTE_ANSWER", help="What the vendor answers when it is asked; repeat."),
    ] = None,
    connectors_dir: ConnectorsDir = None,
    json: Json = False,
) -> None:
    """Run a payload through a connector, without a hub, and print the facts it comes to, or why it does not."""
    from gateway.commands import try_ as trying

    with _plainly():
        told = None if file is None else trying.Told(file, header or [], config, answer or [])
        understood = trying.show(connector, sample, told, connectors_dir, as_json=json)
    raise typer.Exit(0 if understood else 1)


@app.command()
def capture(
    delivery_id: Annotated[str, typer.Argument(help="As /v1/deliveries shows it (dlv_...).")],
    *,
    name: Annotated[
        str | None, typer.Option(envvar="PONTE_NAME", help="What happened; becomes the sample's name.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(envvar="PONTE_INTO", help="The connector's folder, if not where it is.")
    ] = None,
    connectors_dir: ConnectorsDir = None,
    json: Json = False,
) -> None:
    """Turn a delivery that a hub keeps into a sample of its connector, without the people in it."""
    from gateway.commands.capture import capture as capturing

    with _plainly():
        capturing(_environ(connectors_dir), delivery_id, name=name, into=into, as_json=json)


Hub: TypeAlias = Annotated[str, typer.Option("--hub", envvar="PONTE_HUB", help="Base URL of the hub.")]


FileOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(envvar="PONTE_FILE", help="What to send, byte for byte; - is standard input."),
]
InstallationOption: TypeAlias = Annotated[
    str | None, typer.Option(envvar="PONTE_INSTALLATION", help="Send a webhook to this installation.")
]
TerminalOption: TypeAlias = Annotated[
    str | None, typer.Option(envvar="PONTE_TERMINAL", help="Report a result as this terminal.")
]
SignOption: TypeAlias = Annotated[str, typer.Option(envvar="PONTE_SIGN", help="hmac, basic or rs256.")]
SecretOption: TypeAlias = Annotated[
    str | None, typer.Option(envvar="PONTE_SECRET", help="Shared secret; user:password for basic.")
]
KeyFileOption: TypeAlias = Annotated[
    Path | None, typer.Option(envvar="PONTE_KEY_FILE", help="Private key in PEM, for rs256.")
]
KeyIdOption: TypeAlias = Annotated[str, typer.Option(envvar="PONTE_KEY_ID", help="Its id in the key set.")]
EventOption: TypeAlias = Annotated[
    str | None, typer.Option(envvar="PONTE_EVENT", help="Another event type, such as charge.refunded.")
]
AccountOption: TypeAlias = Annotated[
    str | None, typer.Option(envvar="PONTE_ACCOUNT", help="Another vendor account.")
]
AnswerOption: TypeAlias = Annotated[
    str | None,
    typer.Option(envvar="PONTE_ANSWER", help="The payment application's answer, instead of a file."),
]
CpfOption: TypeAlias = Annotated[
    str | None, typer.Option(envvar="PONTE_CPF", help="CPF typed at the terminal.")
]
ReservationOption: TypeAlias = Annotated[
    str | None, typer.Option(envvar="PONTE_RESERVATION", help="Number that the hub gave before payment.")
]
ClaimCpfOption: TypeAlias = Annotated[
    str | None, typer.Option(envvar="PONTE_CLAIM_CPF", help="CPF that claims the sale afterwards.")
]
ClaimKeyOption: TypeAlias = Annotated[
    str | None,
    typer.Option(envvar="PONTE_CLAIM_KEY", help="kind=value of the sale; default: the charge."),
]
ApiKeyOption: TypeAlias = Annotated[
    str | None, typer.Option(envvar="PONTE_API_KEY", help="Key with sales:write, for the claim.")
]
PartnerOption: TypeAlias = Annotated[
    str | None, typer.Option(envvar="PONTE_PARTNER", help="Whose sale is claimed, if the key sees several.")
]


@app.command()
def trigger(  # noqa: PLR0913 -- one parameter an option
    *,
    hub: Hub = "http://127.0.0.1:8000",
    file: FileOption = None,
    installation: InstallationOption = None,
    terminal: TerminalOption = None,
    sign: SignOption = "hmac",
    secret: SecretOption = None,
    key_file: KeyFileOption = None,
    key_id: KeyIdOption = "demo",
    event: EventOption = None,
    account: AccountOption = None,
    answer: AnswerOption = None,
    cpf: CpfOption = None,
    reservation: ReservationOption = None,
    claim_cpf: ClaimCpfOption = None,
    claim_key: ClaimKeyOption = None,
    api_key: ApiKeyOption = None,
    partner: PartnerOption = None,
    json: Json = False,
) -> None:
    """Send one payload, signed as its true sender would, and show the answer. Prefer variables for secrets."""
    from gateway.commands import trigger as sending
    from gateway.commands.refusals import CommandRefused

    with _plainly():
        if (installation is None) == (terminal is None):
            raise CommandRefused("Give either --installation or --terminal.")
        if sign not in {"hmac", "basic", "rs256"}:
            raise CommandRefused("--sign is hmac, basic or rs256.")
        sender = sending.Sender(cast("Literal['hmac', 'basic', 'rs256']", sign), secret, key_file, key_id)
        if file is None and answer is None:
            raise CommandRefused("Give --file or --answer: what shall be sent?")
        payload = (answer or "").encode() if file is None else sending.read_payload(file)
        if terminal is not None:
            told = sending.Report(terminal, payload.decode().strip(), cpf, reservation)
            heard = sending.report(hub, told, sender)
        else:
            if claim_cpf is not None and api_key is None:
                raise CommandRefused("Give --api-key: a claim needs a key with sales:write.")
            claim = (
                sending.Claim(claim_cpf, api_key or "", claim_key, partner) if claim_cpf is not None else None
            )
            body = sending.altered(payload, event, account)
            heard = sending.deliver(hub, installation or "", body, sender, claim)
        accepted = sending.show(heard, as_json=json)
    raise typer.Exit(0 if accepted else 1)


keys = typer.Typer(
    help="API keys: create, list, revoke. While a hub runs, use /v1/keys instead.", no_args_is_help=True
)
app.add_typer(keys, name="keys")

Programme: TypeAlias = Annotated[
    str | None,
    typer.Option("--programme", envvar="PONTE_PROGRAMME", help="Id of a programme; none is the hub."),
]


@keys.command("create")
def create_key(
    *,
    scope: Annotated[list[str], typer.Option(envvar="PONTE_SCOPE", help="What it may do; repeat for more.")],
    programme: Programme = None,
    partner: Annotated[
        str | None, typer.Option(envvar="PONTE_PARTNER", help="Bind it to one partner.")
    ] = None,
    expires_days: Annotated[
        int | None,
        typer.Option(envvar="PONTE_EXPIRES_DAYS", min=1, max=36_500, help="Days it counts; none: for ever."),
    ] = None,
    name: Annotated[
        str, typer.Option(envvar="PONTE_NAME", help="What people will call it.")
    ] = "command line",
    json: Json = False,
) -> None:
    """Make an API key and show it, once."""
    from gateway.commands import keys as work_on
    from gateway.commands.startup import settings_of

    with _plainly():
        work_on.create(
            settings_of(os.environ, quiet=True),
            scopes=scope,
            programme_id=programme,
            partner_id=partner,
            expires_days=expires_days,
            name=name,
            as_json=json,
        )


@keys.command("list")
def list_keys(*, programme: Programme = None, json: Json = False) -> None:
    """List keys, without their secrets."""
    from gateway.commands import keys as work_on
    from gateway.commands.startup import settings_of

    with _plainly():
        work_on.show(
            settings_of(os.environ, quiet=True, starting=False), programme_id=programme, as_json=json
        )


@keys.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="As `ponte keys list` shows it.")],
    *,
    programme: Programme = None,
    json: Json = False,
) -> None:
    """End a key at once and for ever."""
    from gateway.commands import keys as work_on
    from gateway.commands.startup import settings_of

    with _plainly():
        work_on.revoke(
            settings_of(os.environ, quiet=True, starting=False),
            key_id=key_id,
            programme_id=programme,
            as_json=json,
        )


ledger = typer.Typer(help="The ledger.", no_args_is_help=True)
app.add_typer(ledger, name="ledger")


@ledger.command()
def verify(
    *,
    sales: Annotated[
        int | None,
        typer.Option(
            envvar="PONTE_SALES", min=0, help="Derive at most so many purchases of each programme again."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Check every promise of the ledger, also beside a running hub; exit code 1 if one is broken."""
    from gateway.commands.ledger import verify_ledger

    with _plainly():
        sound = verify_ledger(os.environ, sales_limit=sales, as_json=json)
    raise typer.Exit(0 if sound else 1)


if __name__ == "__main__":
    main()
