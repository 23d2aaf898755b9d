"""The command line's page: what typer knows of each command, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import markdown as md
import typer

_HEAD = f"""{md.head("Command line", "mlbsdk/cli/")}

```
mlbsdk [--debug] [--version] COMMAND ...
```

Results go to standard output, progress and notes to standard error; with `--json` a command prints one JSON object to
standard output and nothing else there. Errors are one sentence with a [code](errors.md) and the fix. Plugins may add
commands: [those of this repository](#commands-of-plugins) come last.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed |
| 2 | usage or configuration |
| 3 | quality gate closed: nothing was published |
| 130 | stopped with Ctrl-C |

`--install-completion` sets up completion for the current shell, `--show-completion` prints it.
"""
_HIDDEN = {"help", "install_completion", "show_completion"}
_OF_PLUGINS = """## Commands of plugins

They are there once the plugin is installed.
"""
#: Plugins of this repository that have commands, by entry point -> their distribution and the page that tells more.
PLUGINS = {
    "statsapi": ("mlbsdk-plugin-statsapi", "fetching.md"),
    "argo": ("mlbsdk-plugin-argo", "workflows.md"),
    "postgres": ("mlbsdk-plugin-postgres", "postgresql.md"),
}


def page() -> str:
    """Return the page."""
    from mlbsdk.cli.main import build

    root = typer.main.get_command(build())
    sections = [_section(path, command) for path, command in commands(root)]
    return "\n".join([_HEAD, *sections, _OF_PLUGINS, *_sections_of_plugins()])


def _sections_of_plugins() -> Iterator[str]:
    from mlbsdk.plugins import Plugins

    for plugin, (distribution, guide) in PLUGINS.items():
        # Only those of the repository, whatever else is installed beside them.
        for declared in Plugins.load({"MLBSDK_LOAD_PLUGINS": plugin}).commands():
            group = typer.main.get_group(declared.make())
            group.help = declared.summary
            for path, command in commands(group, f"mlbsdk {declared.name}"):
                text = _section(path, command)
                if command is group:
                    title, rest = text.split("\n", 1)
                    text = f"{title}\n\nOf `{distribution}`; [guide]({guide}).\n{rest}"
                yield text


def commands(command: click.Command, path: str = "mlbsdk") -> Iterator[tuple[str, click.Command]]:
    """Give every command with its whole name, groups before what is in them."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from commands(child, f"{path} {name}")


def _section(path: str, command: click.Command) -> str:
    depth = "##" if path.count(" ") < 2 else "###"
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and each.name not in _HIDDEN]
    is_group = bool(getattr(command, "commands", None))
    usage = [
        path,
        "[OPTIONS]" if options else "",
        *(_argument(each) for each in arguments),
        "COMMAND ..." if is_group else "",
    ]
    parts = [f"{depth} `{path}`", "", _text(_paragraphs(command.help or "")), ""]
    if path == "mlbsdk":
        parts[0] = "## Options of every command"
        parts[2] = "They stand before the command: `mlbsdk --debug run ...`."
    else:
        parts += ["```", " ".join(filter(None, usage)), "```", ""]
    if arguments:
        rows = [[md.code(_argument(each)), _text(getattr(each, "help", "") or "")] for each in arguments]
        parts += [md.table(["argument", "meaning"], rows), ""]
    if options:
        parts += [md.table(["option", "meaning", "default"], [_option(each) for each in options]), ""]
    return "\n".join(parts)


def _argument(parameter: click.Parameter) -> str:
    name = _without_brackets((parameter.metavar or parameter.name or "").upper().removesuffix("..."))
    more = "..." if parameter.nargs == -1 else ""
    return f"{name}{more}" if parameter.required else f"[{name}]{more}"


def _option(parameter: click.Parameter) -> list[str]:
    is_flag = bool(getattr(parameter, "is_flag", False))
    kind = "" if is_flag else f" {_kind(parameter)}"
    default = parameter.default
    shown = "" if is_flag or default in (None, ...) or callable(default) else md.code(str(default))
    required = " (required)" if parameter.required else ""
    names = ", ".join(md.code(f"{name}{kind}") for name in parameter.opts)
    return [names, _text(getattr(parameter, "help", "") or "") + required, shown]


def _kind(parameter: click.Parameter) -> str:
    choices = getattr(parameter.type, "choices", None)
    if choices:
        return "|".join(str(getattr(choice, "value", choice)) for choice in choices)
    name = str(parameter.metavar or parameter.type.name).upper().removesuffix(" RANGE")
    return {"STR": "TEXT"}.get(name, name)


def _without_brackets(metavar: str) -> str:
    return metavar[1:-1] if metavar.startswith("[") and metavar.endswith("]") else metavar


def _paragraphs(text: str) -> str:
    """Return a help text with each paragraph on one line, without click's marks."""
    paragraphs = re.split(r"\n\s*\n", text.replace("\b", "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _text(text: str) -> str:
    """Return help text as Markdown: what looks like an address or a pattern must not become markup."""
    text = md.from_docstring(text)
    return text if "`" in text else md.plain(text)
