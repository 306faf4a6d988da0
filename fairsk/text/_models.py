"""Loaded language models, once in a process, and what tells them apart."""

import contextlib
import hashlib
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

# What a model is loaded for -> the class of transformers that loads it.
HEADS = {
    "encoder": "AutoModel",
    "masked_lm": "AutoModelForMaskedLM",
    "causal_lm": "AutoModelForCausalLM",
}

_STORE = {}
_LOCK = threading.RLock()


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A language model with its tokenizer, shared by all who ask for it.

    Whoever trains it, or changes it otherwise, copies `model` first.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        In evaluation mode, on its device.
    tokenizer : transformers.PreTrainedTokenizerBase
        Its tokenizer.
    fingerprint : str
        What :func:`model_fingerprint` says of it.
    """

    model: torch.nn.Module
    tokenizer: object
    fingerprint: str

    @property
    def device(self):
        """Device of the weights."""
        return self.model.device


def import_transformers(owner):
    """The package transformers, or an error that says how to get it.

    Parameters
    ----------
    owner : str
        Who asks, for the error message.

    Returns
    -------
    transformers : module
        The package.
    """
    try:
        import transformers
    except ImportError:
        raise ImportError(
            f"{owner} needs the package transformers. It is not installed. Install "
            'fairsk with its extra: `pip install "fairsk[text]"`, or pass a callable '
            "as the model."
        ) from None
    return transformers


def load_model(name, *, head="encoder", device="auto", dtype="auto", owner="fairsk"):
    """A model and its tokenizer, loaded when first asked for.

    Parameters
    ----------
    name : str or path
        A local directory, or a name on the hub.
    head : {"encoder", "masked_lm", "causal_lm"}, default="encoder"
        What the model is to do: hidden states, or logits of tokens.
    device : str or torch.device, default="auto"
        Where to run; "auto" is CUDA where there is one, otherwise the CPU.
    dtype : str or torch.dtype, default="auto"
        See :func:`resolve_dtype`.
    owner : str, default="fairsk"
        Who asks, for the error messages.

    Returns
    -------
    loaded : LoadedModel
        The same object whenever the same is asked for.
    """
    device = resolve_device(device, owner=owner)
    dtype = resolve_dtype(dtype, name, device, owner=owner)
    fingerprint = model_fingerprint(name, owner=owner)
    key = (fingerprint, head, str(device), dtype)
    with _LOCK:
        if key not in _STORE:
            _STORE[key] = _load(name, head, device, dtype, fingerprint, owner)
        return _STORE[key]


def clear_models():
    """Forget all loaded models, to free their memory."""
    with _LOCK:
        _STORE.clear()


def load_config(name, *, owner="fairsk"):
    """Configuration of a model, without its weights.

    Parameters
    ----------
    name : str or path
        A local directory, or a name on the hub.
    owner : str, default="fairsk"
        Who asks, for the error messages.

    Returns
    -------
    config : transformers.PretrainedConfig
        With `hidden_size` and `num_hidden_layers`.
    """
    where = _locate(name, owner)
    changed = None
    if isinstance(where, Path) and (where / "config.json").is_file():
        changed = (where / "config.json").stat().st_mtime_ns
    return _config(str(where), changed, owner)


def model_fingerprint(name, *, owner="fairsk"):
    """What tells models apart: a digest of the files, or the commit on the hub.

    Parameters
    ----------
    name : str or path
        A local directory, or a name on the hub.
    owner : str, default="fairsk"
        Who asks, for the error messages.

    Returns
    -------
    fingerprint : str
        The same for the same weights and tokenizer, whatever the directory is called.
    """
    where = _locate(name, owner)
    if isinstance(where, Path):
        files = sorted(path for path in where.iterdir() if path.is_file())
        stats = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
        return _digest(tuple(stats))
    return f"{where}@{_commit(where, owner)}"


def resolve_device(device, *, owner="fairsk"):
    """Device to run on.

    Parameters
    ----------
    device : str or torch.device
        "auto" is CUDA where there is one, otherwise the CPU.
    owner : str, default="fairsk"
        Who asks, for the error message.

    Returns
    -------
    device : torch.device
        A device that is there.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            f"{owner} needs a CUDA device for device={str(device)!r}. torch finds "
            "none. Set device='auto' or 'cpu', or install torch with CUDA."
        )
    return device


def resolve_dtype(dtype, name, device, *, owner="fairsk"):
    """Number type of the weights.

    Parameters
    ----------
    dtype : str or torch.dtype
        "auto" is the type in which the weights are stored on an accelerator, and
        float32 on the CPU.
    name : str or path
        The model.
    device : torch.device
        Where it will run.
    owner : str, default="fairsk"
        Who asks, for the error message.

    Returns
    -------
    dtype : torch.dtype
        A floating type.
    """
    if dtype == "auto":
        if device.type == "cpu":
            return torch.float32
        config = load_config(name, owner=owner)
        stored = getattr(config, "dtype", None) or getattr(config, "torch_dtype", None)
        dtype = stored or torch.float32
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ValueError(
            f"{owner} needs `dtype` to be a floating type of torch. Got {dtype!r}. "
            "Pass 'auto', 'float32', 'bfloat16' or 'float16'."
        )
    return found


def _locate(name, owner):
    """A directory as a Path, a name on the hub as str."""
    path = Path(name).expanduser()
    if path.is_dir():
        return path.resolve()
    # A name on the hub is "name" or "owner/name".
    if path.is_absolute() or str(name).startswith(".") or len(path.parts) > 2:
        raise FileNotFoundError(
            f"{owner} needs a directory with a model. Got {str(name)!r}, which does "
            "not exist. Pass an existing directory, a name on the hub, or a callable."
        )
    return str(name)


@lru_cache(maxsize=64)
def _digest(files):
    """Digest of the contents; the sizes and times say when to read them again."""
    digest = hashlib.blake2b(digest_size=16)
    for path, size, _ in files:
        digest.update(f"{Path(path).name}:{size};".encode())
        with open(path, "rb") as file:
            while chunk := file.read(1 << 22):
                digest.update(chunk)
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _commit(name, owner):
    """Commit of a model on the hub, from where its configuration is cached."""
    transformers = import_transformers(owner)
    with _explained(name, owner):
        path = transformers.utils.cached_file(name, "config.json")
    parts = Path(path).parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts else "unknown"


@lru_cache(maxsize=64)
def _config(where, changed, owner):
    transformers = import_transformers(owner)
    with _quiet(transformers), _explained(where, owner):
        return transformers.AutoConfig.from_pretrained(where)


def _load(name, head, device, dtype, fingerprint, owner):
    transformers = import_transformers(owner)
    where = str(_locate(name, owner))
    tokenizer = load_tokenizer(name, owner=owner)
    with _quiet(transformers), _explained(where, owner):
        model = getattr(transformers, HEADS[head]).from_pretrained(
            where, torch_dtype=dtype
        )
    model = model.to(device).eval().requires_grad_(False)
    return LoadedModel(model, tokenizer, fingerprint)


def load_tokenizer(name, *, owner="fairsk"):
    """Tokenizer of a model.

    Parameters
    ----------
    name : str or path
        A local directory, or a name on the hub.
    owner : str, default="fairsk"
        Who asks, for the error messages.

    Returns
    -------
    tokenizer : transformers.PreTrainedTokenizerBase
        A new object.
    """
    transformers = import_transformers(owner)
    where = _locate(name, owner)
    if isinstance(where, Path) and not _has_tokenizer(where):
        raise FileNotFoundError(
            f"{owner} needs the tokenizer of the model. The directory {str(name)!r} "
            "has none. Save it there: `tokenizer.save_pretrained(directory)`."
        )
    with _quiet(transformers), _explained(str(where), owner):
        return transformers.AutoTokenizer.from_pretrained(str(where))


def _has_tokenizer(directory):
    names = ("tokenizer*", "vocab.*", "*.model", "merges.txt")
    return any(any(directory.glob(name)) for name in names)


@contextlib.contextmanager
def _explained(where, owner):
    """Say what to do where a model cannot be read."""
    try:
        yield
    except (OSError, ValueError) as error:
        if Path(where).is_dir():
            raise type(error)(
                f"{owner} needs a directory that transformers can read. Got {where!r}: "
                f"{error} Save model and tokenizer there by `save_pretrained`."
            ) from error
        raise OSError(
            f"{owner} needs the model {where!r}. It is no local directory, and the hub "
            "cannot be reached or does not have it. Check the name; or download it on "
            f"a machine with a network (`hf download {where} --local-dir DIR`), copy "
            "the directory, and pass its path; or pass a callable as the model."
        ) from error


@contextlib.contextmanager
def _quiet(transformers):
    """Neither bars nor reports of weights that a head leaves unused."""
    log = transformers.utils.logging
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()
