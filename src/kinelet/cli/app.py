"""The typer application: one line a command, each in its own file."""

from __future__ import annotations

import typer

from kinelet.cli import (
    align,
    corpus,
    demo,
    distance,
    doctor,
    embed,
    evaluate,
    import_weights,
    label,
    listing,
    pretrain,
    read,
    report,
    search,
)

app = typer.Typer(
    name="kinelet",
    help="From raw motion-sensor recordings to encoders and numbers you can trust.",
    epilog="Add --debug to any command for the traceback of an error.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.command("demo", short_help="Ten people, seven exercises: the whole walk in minutes.")(demo.demo)
app.command("read")(read.read)
app.add_typer(corpus.app, name="corpus", short_help="Build a corpus, add to it, look inside.")
app.command("pretrain", short_help="Learn an encoder from recordings without labels.")(pretrain.pretrain)
app.command("align", short_help="Align encoders of several sensors on few pairs.")(align.align)
app.add_typer(distance.app, name="distance")
app.command("evaluate", short_help="Judge a run on people it has never seen.")(evaluate.evaluate)
app.command("embed", short_help="Vectors of a recording, a window a step.")(embed.embed)
app.command("search", short_help="Ask recordings in words.")(search.search)
app.command("label", short_help="A timeline of labels from sentences.")(label.label)
app.command("import-weights", short_help="Weights of other code, as a model folder.")(import_weights.import_weights)
app.command("report")(report.report)
app.command("list")(listing.listing)
app.command("doctor", short_help="What is installed and what is not.")(doctor.doctor)
