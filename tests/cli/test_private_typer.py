"""What gradbench uses of typer without typer's promise."""

import pytest

from gradbench.cli.main import app, usage_error


@pytest.mark.parametrize(
    "arguments", [["summary", "--nonsense"], ["compare"], ["predict", "--help=1"]]
)
def test_private_base_of_bad_parameter_is_what_a_wrong_command_line_raises(
    arguments: list[str],
) -> None:
    kind = usage_error()
    assert kind.__name__ == "UsageError", f"typer.BadParameter is derived from {kind} by now"
    with pytest.raises(kind) as caught:
        app(arguments, standalone_mode=False)
    assert caught.value.format_message()
