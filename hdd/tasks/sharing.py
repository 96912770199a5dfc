"""How far a token mixing shares its weights among places, and what that does to a look-up.

A ladder of token mixings (B, S, C) -> (B, S, C): weights for each place, for each displacement,
one static MLP for all places, attention. All but attention are static: no weight depends on the
content. Norms, residual connections and channel MLP are those of the Mixer block.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from hdd.arguments import check_choice, check_positive_integers, check_shape, checked
from hdd.models.token_mixers import Block, SelfAttention, TokenMlp, channel_width
from hdd.tasks.look_up import KEYS, VALUES
from hdd.tasks.token_net import TokenNet

PLACES, DIM, DEPTH = KEYS + 1, 32, 3
BLOCK_PARAMETERS = 9_400  # about those of a Mixer block at this size
MAPS, HIDDEN = 4, 8  # units at each place: of Toeplitz, of SharedMlp


class Toeplitz(nn.Module):
    """A token MLP whose weights depend on the displacement between two tokens alone.

    At each place stand MAPS hidden units; what they read and write is the same at all places,
    and for all channels, counted from where they stand.

    Raises:
        ValueError: fewer than one token; an input with another number of them.
    """

    @checked
    def __init__(self, tokens: int) -> None:
        super().__init__()
        check_positive_integers(tokens=tokens)
        reach = 2 * tokens - 1  # from the first token to the last, both ways
        self.read = nn.Parameter(torch.randn(MAPS, reach) / tokens**0.5)
        self.write = nn.Parameter(torch.randn(MAPS, reach) / (MAPS * tokens) ** 0.5)
        self.read_bias = nn.Parameter(torch.zeros(MAPS, 1))
        places = torch.arange(tokens)
        displacement = places[:, None] - places[None, :] + tokens - 1  # (S, S)
        self.register_buffer("displacement", displacement, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        check_shape(f"(B, {len(self.displacement)}, C)", x=x)
        first = self.read[:, self.displacement].flatten(0, 1)  # (MAPS S, S)
        bias = self.read_bias.expand(-1, x.shape[1]).flatten()  # (MAPS S,)
        hidden = functional.gelu(functional.linear(x.transpose(1, 2), first, bias))
        second = self.write[:, self.displacement].transpose(0, 1).flatten(1)  # (S, MAPS S)
        return functional.linear(hidden, second).transpose(1, 2)  # (B, S, C)


class SharedMlp(nn.Module):
    """One static MLP for all places and channels, none of whose weights belongs to a place.

    At each place it sees the token, the mean of all tokens, and token 0; it writes to the token
    and, as the mean over all places, to token 0. That the question stands at place 0 is built in;
    with `question=False` it is not: it sees the token and the mean, and writes its mean to all.
    """

    @checked
    def __init__(self, *, question: bool = True) -> None:
        super().__init__()
        self.question = question
        self.fc1, self.fc2 = nn.Linear(2 + question, HIDDEN), nn.Linear(HIDDEN, 2)

    def forward(self, x: Tensor) -> Tensor:
        seen = [x, x.mean(1, keepdim=True).expand_as(x)]  # (B, S, C) each
        if self.question:
            seen.append(x[:, :1].expand_as(x))
        own, common = self.fc2(functional.gelu(self.fc1(torch.stack(seen, -1)))).unbind(-1)
        common = common.mean(1, keepdim=True)  # (B, 1, C)
        if self.question:
            common = functional.pad(common, (0, 0, 0, x.shape[1] - 1))  # to token 0 alone
        return own + common


class Attention(SelfAttention):
    """The attention of `token_mixers` without its position embedding: the content alone counts."""

    @checked
    def __init__(self, dim: int) -> None:
        super().__init__((1, 1), dim)
        del self.position
        self.position = 0.0


LADDER = {
    "weights per place": lambda: TokenMlp((1, PLACES), DIM, 2 * PLACES),
    "weights per displacement": lambda: Toeplitz(PLACES),
    "shared, question marked": lambda: SharedMlp(),
    "shared, nothing marked": lambda: SharedMlp(question=False),
    "attention": lambda: Attention(DIM),
}


@checked
def ladder_net(kind: str, *, positions: bool, seed: int = 0) -> TokenNet:
    """Return a look-up network with a token mixing of LADDER; all have about equal parameters.

    Args:
        kind: a key of LADDER.
        positions: whether each place gets a learned vector added.
        seed: of the weights.

    Raises:
        ValueError: an unknown kind.
    """
    check_choice(LADDER, kind=kind)
    torch.manual_seed(seed)
    mixers = [LADDER[kind]() for _ in range(DEPTH)]
    widths = [channel_width(mixer, DIM, BLOCK_PARAMETERS) for mixer in mixers]
    blocks = [Block(mixer, DIM, width) for mixer, width in zip(mixers, widths, strict=True)]
    return TokenNet(KEYS + VALUES, VALUES, DIM, blocks, PLACES if positions else 0)
