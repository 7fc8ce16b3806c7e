"""`mlimage schema`."""

from mlimage.cli.options import JsonOption, VerboseOption


def schema(as_json: JsonOption = False, verbose: VerboseOption = None) -> None:
    """Print the JSON Schema of mlimage.yaml, with which editors complete and check it.

    Examples:
      mlimage schema > images/mlimage.schema.json

    and as the first line of a spec:

      # yaml-language-server: $schema=../mlimage.schema.json
    """
    del as_json, verbose  # it is JSON anyway, and there is no more to say
    from mlimage.cli.screen import Screen
    from mlimage.spec.schema import schema_text

    Screen().say(schema_text().rstrip("\n"))
