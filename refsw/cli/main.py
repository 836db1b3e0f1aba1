"""The command `refsw`: its groups, its exit codes, and how errors are told."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
from importlib import import_module
from typing import Any

import click

from refsw import __version__
from refsw.cli.common import complain, finish_output
from refsw.errors import DfcError, RefswError
from refsw.text import sentence

EXIT_USAGE, EXIT_NO_INPUT, EXIT_INTERNAL, EXIT_CANNOT_CREATE, EXIT_IO = 2, 66, 70, 73, 74

NO_SUCH_PLACE = {
    errno.ENOENT, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP,
    errno.EROFS, errno.EBUSY, errno.ENXIO, errno.ENODEV, errno.EINVAL, errno.EILSEQ, errno.ETXTBSY,
}  # fmt: skip
"""What is wrong with a name, or with where it is, rather than with reading and writing."""

COMMANDS = {
    "encode": ("refsw.cli.encode", "Code feature tensors as a DFC bitstream."),
    "decode": ("refsw.cli.decode", "Decode a bitstream to feature tensors."),
    "extract": ("refsw.cli.extract", "Some samples, tensors or parts of a bitstream, as a bitstream."),
    "concat": ("refsw.cli.concat", "Join bitstreams of the same tensors, or model updates in order."),
    "strip": ("refsw.cli.strip", "A bitstream without digests or metadata."),
    "inspect": ("refsw.cli.inspect", "Show what is in a bitstream, down to every syntax element."),
    "validate": ("refsw.cli.validate", "Check a bitstream against every requirement of the specification."),
    "packetize": ("refsw.cli.packetize", "Write the RTP packets that carry a bitstream to a capture."),
    "depacketize": ("refsw.cli.depacketize", "Take a bitstream, or what came of it, out of a capture."),
    "send": ("refsw.cli.send", "Send a bitstream over RTP."),
    "receive": ("refsw.cli.receive", "Receive a bitstream over RTP: the samples that came, and which did not."),
    "conceal": ("refsw.cli.conceal", "Features that packets of were lost: repair them, train ALTeC, lose some."),
    "native": ("refsw.cli.native", "Parameters of the native payload for a layer: learn them, inspect them."),
    "transform": ("refsw.cli.transform", "Channel transforms of a layer: learn them, inspect them."),
    "model": ("refsw.cli.model", "Update models: code differences, apply them, look into them."),
    "conformance": ("refsw.cli.conformance", "Test a decoder on vectors, or an encoder on inputs, for conformance."),
    "crosscheck": ("refsw.cli.crosscheck", "Decode one bitstream with every decoder present, and compare."),
    "anchor": ("refsw.cli.anchor", "Anchors under common test conditions: run, report, compare, cross-check."),
    "plan": ("refsw.cli.plan", "Where to cut a network: latency and energy of every cut over links."),
    "profile": ("refsw.cli.profile", "Learn a device profile for plans: the latency of layers, measured here."),
    "learn": ("refsw.cli.learn", "Where new models come from: experiments with reuse, and the whole loop."),
    "demo": ("refsw.cli.demo", "The main job on real features that ship with the package, with a plot."),
}


class LazyGroup(click.Group):
    """Imports a command's module only when the command is run or asked for help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, from the table above and without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


EPILOG = """\b
Exit codes: 0 done and conforming; 1 finished, with failures found; 2 usage;
65 input rejected; 66 no such input; 69 valid but unsupported here, or a
program that was called failed; 70 internal error; 73 cannot create output; 74 I/O error."""


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="refsw")
def cli() -> None:
    """Reference software of Deep Feature Coding (DFC)."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    _hold_standard_numbers()
    # Ended by another program, it still removes what it has begun to write.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, lambda got, _: sys.exit(128 + got))
    try:
        # Not cli.main(): it would take a closed pipe for success of a kind.
        with cli.make_context("refsw", sys.argv[1:]) as context:
            cli.invoke(context)
        finish_output()
        code = 0
    except click.exceptions.Exit as leave:
        code = leave.exit_code
    except Exception as error:
        code = tell(error)
    except KeyboardInterrupt:
        code = 130
        complain("refsw: interrupted")
    if code == EXIT_IO:
        # Standard output may be what failed; closing it again at exit would complain once more.
        os._exit(EXIT_IO)
    sys.exit(code or 0)


def _hold_standard_numbers() -> None:
    """Where standard input, output or error is closed, a file would get its number, and what libraries say."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def tell(error: Exception) -> int:
    """Explain an error in one paragraph on standard error (as JSON with --json); its exit code."""
    as_json = "--json" in sys.argv
    if isinstance(error, click.ClickException):
        _usage(error)
        return EXIT_USAGE
    if isinstance(error, click.Abort):
        return 130
    if isinstance(error, RefswError):
        _say(error.as_dict() if isinstance(error, DfcError) else None, str(error), as_json)
        return error.exit_code
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        _say(None, f"{where}{error.strerror or error}", as_json)
        return _os_exit_code(error)
    if os.environ.get("REFSW_TRACEBACK"):
        raise error
    complain(
        f"refsw: internal error, {type(error).__name__}: {sentence(error)}. "
        "This is a bug in refsw; set REFSW_TRACEBACK=1 for the traceback and report it."
    )
    return EXIT_INTERNAL


def _usage(error: click.ClickException) -> None:
    """What click has to say, with the words of the command line that it repeats on one line."""
    text, message = io.StringIO(), error.format_message()
    error.show(text)
    # The message about a missing parameter has lines of its own, and repeats nothing.
    told = message if isinstance(error, click.MissingParameter) else sentence(message)
    complain(text.getvalue().replace(message, told).rstrip("\n"))


def _say(fields: dict[str, Any] | None, text: str, as_json: bool) -> None:
    complain(json.dumps(fields or {"message": text}) if as_json else f"refsw: {sentence(text)}")


def _os_exit_code(error: OSError) -> int:
    role = getattr(error, "refsw_role", None)
    if error.errno in NO_SUCH_PLACE and role in ("input", "output"):
        return EXIT_NO_INPUT if role == "input" else EXIT_CANNOT_CREATE
    return EXIT_IO
