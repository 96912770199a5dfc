import torch
from torch import nn

from hdd.tasks.diagonal import IGNORED, diagonal_accuracy, equal_along_diagonal


def test_diagonal_answers():
    tokens, answers = equal_along_diagonal(50, torch.Generator().manual_seed(0))
    board = tokens.argmax(2).view(50, 6, 6)
    answers = answers.view(50, 6, 6, 5)
    for d in range(1, 6):
        for i in range(6):
            for j in range(6):
                if max(i, j) + d < 6:
                    same = (board[:, i, j] == board[:, i + d, j + d]).long()
                    assert torch.equal(answers[:, i, j, d - 1], same)
                else:
                    assert (answers[:, i, j, d - 1] == IGNORED).all()
    asked = (answers != IGNORED)[0].sum((0, 1))
    assert asked.tolist() == [25, 16, 9, 4, 1]


def test_diagonal_accuracy_knows_right_from_wrong():
    class Oracle(nn.Module):
        def forward(self, tokens):
            board = tokens.argmax(2).view(-1, 6, 6)
            out = torch.zeros(len(board), 6, 6, 5)
            for d in range(1, 6):
                same = board[:, : 6 - d, : 6 - d] == board[:, d:, d:]
                out[:, : 6 - d, : 6 - d, d - 1] = same.float() - 0.5
            return out.flatten(1, 2)

    assert diagonal_accuracy(Oracle()) == [1.0] * 5
