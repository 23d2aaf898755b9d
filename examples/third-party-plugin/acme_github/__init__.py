"""GitHub releases as tables, tables as JSON lines, and a check of links."""

from mlbsdk import QualityDecl, TransformDecl, WriterDecl, hookimpl

MLBSDK_PLUGIN_API = 1


@hookimpl
def mlbsdk_transforms():
    return [
        TransformDecl(
            name="github.release",
            summary="A release of a repository and its files.",
            mapping=("acme_github", "release.yaml"),
            sample=("acme_github", "release_1.json"),
        )
    ]


@hookimpl
def mlbsdk_writers():
    # Without "delete": a mapping with on_missing: delete is refused before a run.
    return [
        WriterDecl(
            name="jsonl",
            summary="A file of JSON lines a table, FOLDER/SCHEMA.TABLE.jsonl.",
            make=_writer,
            supports=frozenset({"upsert"}),
        )
    ]


@hookimpl
def mlbsdk_quality():
    return [QualityDecl(name="acme-links", summary="Links are absolute and https.", make=_links)]


def _writer(address, options):
    from acme_github.writer import JsonLinesWriter

    return JsonLinesWriter(address)


def _links(options):
    from acme_github.links import LinkEngine

    return LinkEngine()
