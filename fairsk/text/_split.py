"""A transformer cut in two: layers that stay as they are, and layers that train."""

import copy

import torch


class Prefix:
    """Embeddings and first layers of a transformer, which are never trained.

    Parameters
    ----------
    backbone : transformers.PreTrainedModel
        The whole model; it is only read.
    n_layers : int
        Number of layers that belong to the prefix.
    """

    def __init__(self, backbone, n_layers):
        self.backbone = backbone
        self.layers = find_layers(backbone)[1]
        self.n_layers = n_layers

    @torch.no_grad()
    def __call__(self, input_ids, attention_mask):
        """Hidden states after the last layer of the prefix.

        Parameters
        ----------
        input_ids, attention_mask : int tensor of shape (n_texts, n_tokens)
            Tokens, and 1 where there is one.

        Returns
        -------
        hidden : float tensor of shape (n_texts, n_tokens, n_hidden)
            What the next layer takes.
        """
        # The next layer is never computed: a hook stops the model where it begins.
        hook = self.layers[self.n_layers].register_forward_pre_hook(
            _stop, with_kwargs=True
        )
        try:
            self.backbone(input_ids=input_ids, attention_mask=attention_mask)
        except _Stop as stop:
            return stop.hidden
        finally:
            hook.remove()
        raise RuntimeError("The model did not call its layers in order.")


class _Stop(Exception):
    def __init__(self, hidden):
        super().__init__()
        self.hidden = hidden


def _stop(module, args, kwargs):
    raise _Stop(args[0] if args else kwargs["hidden_states"])


def find_layers(backbone):
    """The list of layers of a transformer.

    Parameters
    ----------
    backbone : transformers.PreTrainedModel
        The model.

    Returns
    -------
    name : str
        Where the list is.
    layers : torch.nn.ModuleList
        The layers in order.
    """
    n_layers = getattr(backbone.config, "num_hidden_layers", None)
    for name, module in backbone.named_modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == n_layers:
            return name, module
    raise ValueError(
        f"A {type(backbone).__name__} has no list of {n_layers} layers that could be "
        "trained in part. Set train='head' or train='full'."
    )


def make_tail(backbone, start):
    """A copy of the layers from `start` on, with all that follows them.

    Parameters
    ----------
    backbone : transformers.PreTrainedModel
        The whole model; it is only read.
    start : int
        Number of the first layer to copy.

    Returns
    -------
    tail : transformers.PreTrainedModel
        Takes the hidden states of :class:`Prefix` as `inputs_embeds`.
    """
    name, layers = find_layers(backbone)
    stand_ins = {id(layer): torch.nn.Identity() for layer in layers[:start]}
    for child_name, stand_in in (("embeddings", _PassOn), ("wpe", _NoPosition)):
        child = getattr(backbone, child_name, None)
        if child is not None:
            stand_ins[id(child)] = stand_in()
    # Word embeddings are large, and inputs that are embedded already never reach them.
    words = backbone.get_input_embeddings()
    stand_ins[id(words)] = torch.nn.Identity()
    tail = copy.deepcopy(backbone, stand_ins)
    parent_name, _, list_name = name.rpartition(".")
    kept = torch.nn.ModuleList(tail.get_submodule(name)[start:])
    setattr(tail.get_submodule(parent_name), list_name, kept)
    return tail


class _PassOn(torch.nn.Module):
    """In place of the embeddings: hands on what is embedded already."""

    def forward(self, *args, **kwargs):
        """The one floating tensor among the arguments."""
        return next(
            value
            for value in (*args, *kwargs.values())
            if isinstance(value, torch.Tensor) and value.is_floating_point()
        )


class _NoPosition(torch.nn.Module):
    """In place of the embeddings of positions, which the prefix has added."""

    def forward(self, positions):
        """A zero for each position."""
        return torch.zeros(*positions.shape, 1, device=positions.device)


@torch.no_grad()
def check_split(backbone, prefix, tail):
    """Check, on a few tokens, that prefix and tail are the whole model.

    Parameters
    ----------
    backbone : transformers.PreTrainedModel
        The whole model, in evaluation mode.
    prefix : Prefix
        The first layers.
    tail : transformers.PreTrainedModel
        The other layers, in evaluation mode.
    """
    n_words = backbone.config.vocab_size
    input_ids = torch.arange(10, device=backbone.device).reshape(2, 5) % n_words
    tokens = {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}
    tokens["attention_mask"][1, 3:] = 0
    kept = tokens["attention_mask"].bool()
    whole = backbone(**tokens).last_hidden_state[kept]
    tokens["inputs_embeds"] = prefix(tokens.pop("input_ids"), tokens["attention_mask"])
    parts = tail(**tokens).last_hidden_state[kept]
    if not torch.allclose(whole, parts, rtol=1e-3, atol=1e-3 * float(whole.std())):
        raise ValueError(
            f"A {type(backbone).__name__} cannot be cut between its layers: the parts "
            "give another output than the whole. Set train='head' or train='full'."
        )


class Frozen:
    """A prefix, from tokens to the inputs of the trained part.

    Parameters
    ----------
    prefix : Prefix
        The layers that are not trained.
    dtype : torch.dtype
        Type in which matrices are multiplied.
    """

    def __init__(self, prefix, dtype):
        self.prefix = prefix
        self.dtype = dtype

    def __call__(self, inputs):
        """Inputs of the trained part; those that are ready stay."""
        if "input_ids" not in inputs:
            return inputs
        device = inputs["input_ids"].device.type
        low = self.dtype == torch.bfloat16
        with torch.autocast(device, torch.bfloat16, low):
            hidden = self.prefix(**inputs).to(self.dtype)
        return {"inputs_embeds": hidden, "attention_mask": inputs["attention_mask"]}


def cut_model(backbone, train, n_layers, *, dtype, owner):
    """The layers that are trained, as a copy, and the part before them.

    Parameters
    ----------
    backbone : transformers.PreTrainedModel
        The whole model; it is only read.
    train : {"last_k", "lora", "full"}
        What is trained.
    n_layers : int or None
        Number of last layers to train or to update; None is 2 for "last_k", and all
        for "lora".
    dtype : torch.dtype
        Type in which matrices are multiplied.
    owner : str
        Who asks, for the error messages.

    Returns
    -------
    body : torch.nn.Module
        The layers that are trained.
    frozen : Frozen or None
        What comes before them; None where nothing does.
    """
    start = 0
    if train != "full":
        n_all = len(find_layers(backbone)[1])
        n_layers = n_layers or (2 if train == "last_k" else n_all)
        if n_layers > n_all:
            raise ValueError(
                f"{owner} needs at most as many `n_layers` as the model has: {n_all}. "
                f"Got {n_layers}. Lower it, or set train='full'."
            )
        start = n_all - n_layers
    if start == 0:
        return copy.deepcopy(backbone).requires_grad_(True), None
    prefix, tail = Prefix(backbone, start), make_tail(backbone, start)
    check_split(backbone, prefix, tail)
    return tail.requires_grad_(True), Frozen(prefix, dtype)
