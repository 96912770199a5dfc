"""What a cell of a notebook printed, for the tests that run one."""


def stdout_of(cell):
    return "".join(
        output.text
        for output in cell.outputs
        if output.output_type == "stream" and output.name == "stdout"
    )
