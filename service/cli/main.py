"""The `fermata` command: one subcommand a file."""

import typer

from service.cli import (
    demo,
    export,
    importing,
    log_key,
    migrate,
    openapi,
    policy,
    replay,
    seal,
    serve,
    snapshot,
    verify,
    witness,
    worker,
)

app = typer.Typer(
    name="fermata",
    help="Consent permissioning: nothing plays on until the artist has had their say.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("snapshot")(snapshot.snapshot)
app.command("seal")(seal.seal)
app.command("migrate")(migrate.migrate)
app.command("demo")(demo.demo)
app.command("import")(importing.import_catalog)
app.command("export")(export.export)
app.command("replay")(replay.replay)
app.command("verify")(verify.verify)
app.command("log-key")(log_key.log_key)
app.command("witness")(witness.witness)
app.command("openapi")(openapi.openapi)
app.add_typer(policy.app, name="policy")
